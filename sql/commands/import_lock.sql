-- For an import past the capacity: locks the counters of a chunk's events with settings, in order, before any row is read,
-- like queries/lock_admitted.sql.
SELECT c.:id
FROM :counters AS c
WHERE c.:id IN (SELECT r.id FROM pg_temp.import_rows AS r) AND c.managed
ORDER BY c.:id
FOR UPDATE
