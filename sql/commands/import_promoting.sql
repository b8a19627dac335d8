-- Locks the counters of some events whose free seats are to be given to those who wait, in their order, and answers the events as an
-- array for queries/promote.sql; NULL where there are none.
WITH locked AS (
    SELECT c.:id AS id
    FROM :counters AS c
    WHERE c.:id IN (SELECT event_id FROM events WHERE promoting_at IS NOT NULL ORDER BY promoting_at LIMIT 10)
    ORDER BY c.:id
    FOR UPDATE
)
SELECT array_agg(id) FROM locked
