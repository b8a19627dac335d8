-- For an import of who waits: locks the counters of a chunk's events, in their order, making those that there are not, so that no
-- settings are made in between. Where an event has none its lines are refused, and this is rolled back.
INSERT INTO :counters AS c (:id, count, version)
SELECT r.id, 0, 0
FROM pg_temp.import_rows AS r
GROUP BY r.id
ORDER BY r.id
ON CONFLICT (:id) DO UPDATE SET version = c.version
