-- Claims events that still have seats to give to users who wait, if nobody has made a step for a second: those first whose
-- last step is longest ago. Answers each event and the time of the claim: now. Claims of two workers never overlap.
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
