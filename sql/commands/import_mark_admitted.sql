-- For an import of settings: locks the counters of a chunk's events, in order, and marks them, like
-- queries/mark_admitted.sql.
INSERT INTO :counters AS c (:id, count, version, managed)
SELECT r.id, 0, 0, true
FROM pg_temp.import_rows AS r
GROUP BY r.id
ORDER BY r.id
ON CONFLICT (:id) DO UPDATE SET managed = true
