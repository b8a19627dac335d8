-- Reads the counts after a batch of plain writes, like read_counts.sql. Fails, and the whole batch with it, if an entity has
-- settings: then admission must decide. Settings are stored with `managed` set under the lock of this row, and a batch that
-- changed the count holds that lock by now, so no change slips in between.
-- $1: entities.
SELECT
    c.:id, c.count,
    CASE WHEN c.managed THEN ('has settings' || left(c.:id, 0))::bigint ELSE c.version END,
    statement_timestamp()
FROM :counters AS c
WHERE c.:id = ANY ($1::text[])
