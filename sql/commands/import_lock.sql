-- For an import past the capacity: locks the counters of a chunk's events that have settings, in their order, before any row is looked
-- at, as queries/lock_admitted.sql does.
SELECT c.:id
FROM :counters AS c
WHERE c.:id IN (SELECT r.id FROM pg_temp.import_rows AS r) AND c.managed
ORDER BY c.:id
FOR UPDATE
