-- Takes over events whose free seats are to be given to those who wait, and where nobody has made a step of it for a second:
-- those that have waited longest for one. Answers them, and when that was: now. Nobody else takes them over meanwhile.
-- $1: how many at most.
WITH waiting AS (
    SELECT event_id
    FROM events
    WHERE promoting_at < statement_timestamp() - interval '1 second'
    ORDER BY promoting_at
    LIMIT $1::bigint
    FOR UPDATE SKIP LOCKED
)
UPDATE events AS e
SET promoting_at = statement_timestamp()
FROM waiting AS w
WHERE e.event_id = w.event_id
RETURNING e.event_id, e.promoting_at
