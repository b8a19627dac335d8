-- Reads the counts after a batch of writes, like count.sql, with the time of the statement's start. Counters that the
-- batch changed are locked by now, so their counts stay exact until the commit.
-- $1: entities.
SELECT c.:id, c.count, c.version, statement_timestamp()
FROM :counters AS c
WHERE c.:id = ANY ($1::text[])
