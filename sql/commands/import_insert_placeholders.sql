-- For an import of waiting lists: locks the counters of a chunk's events, in order, and creates missing ones, so that no
-- settings are stored in between. The lines of an event without settings are refused, and this is rolled back.
INSERT INTO :counters AS c (:id, count, version)
SELECT r.id, 0, 0
FROM pg_temp.import_rows AS r
GROUP BY r.id
ORDER BY r.id
ON CONFLICT (:id) DO UPDATE SET version = c.version
