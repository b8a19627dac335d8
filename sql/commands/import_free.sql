-- Marks the events of a chunk that have seats for users who wait. The seats are given in later transactions
-- (import_promoting.sql), or by the service if this import ends before. The counters are locked.
UPDATE events AS e
SET promoting_at = statement_timestamp()
FROM :counters AS c
WHERE
    e.event_id IN (SELECT r.id FROM pg_temp.import_rows AS r) AND c.:id = e.event_id
    AND e.waiting > 0 AND e.promoting_at IS NULL
    AND coalesce(c.count < e.capacity, true) AND coalesce(statement_timestamp() < e.closes_at, true)
