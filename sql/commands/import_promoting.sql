-- Locks, in order, the counters of some events that still have seats to give to users who wait. Answers the events as an
-- array for queries/promote.sql, or NULL if there are none.
WITH locked AS (
    SELECT c.:id AS id
    FROM :counters AS c
    WHERE c.:id IN (SELECT event_id FROM events WHERE promoting_at IS NOT NULL ORDER BY promoting_at LIMIT 10)
    ORDER BY c.:id
    FOR UPDATE
)
SELECT array_agg(id) FROM locked
