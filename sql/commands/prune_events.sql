-- The next events that closed before a moment, in order.
-- $1: the moment, in microseconds of Unix time; $2: the event before them, or the empty string; $3: how many at most.
SELECT event_id
FROM events
WHERE closes_at < 'epoch'::timestamptz + $1::bigint * interval '1 microsecond' AND event_id > $2::text
ORDER BY event_id
LIMIT $3::bigint
