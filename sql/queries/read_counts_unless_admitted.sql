-- The counts after a batch of plain writes, as read_counts.sql gives them; fails, and with it all of the batch, where an entity
-- has settings, which only admission may apply. Whoever gives it settings sets `managed` under the lock of this row, and
-- a batch that changed the count holds that lock by now: no change slips between the two.
-- $1: entities.
SELECT
    c.:id, c.count,
    CASE WHEN c.managed THEN ('has settings' || left(c.:id, 0))::bigint ELSE c.version END,
    statement_timestamp()
FROM :counters AS c
WHERE c.:id = ANY ($1::text[])
