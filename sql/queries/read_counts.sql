-- The counts after a batch of writes, as count.sql gives them, but for the time: that of the statement's beginning. What the
-- batch changed is locked by now, and so exact until it commits.
-- $1: entities.
SELECT c.:id, c.count, c.version, statement_timestamp()
FROM :counters AS c
WHERE c.:id = ANY ($1::text[])
