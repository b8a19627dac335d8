-- Deletes the settings of an event that closed before a moment, once it has neither members nor users who wait. Its counter is
-- locked. $1: event; $2: the moment, in microseconds of Unix time.
WITH gone AS (
    DELETE FROM events AS e
    WHERE e.event_id = $1::text AND e.closes_at < 'epoch'::timestamptz + $2::bigint * interval '1 microsecond'
        AND NOT EXISTS (SELECT FROM rsvps AS m WHERE m.event_id = e.event_id)
        AND NOT EXISTS (SELECT FROM waitlist AS w WHERE w.event_id = e.event_id)
    RETURNING e.event_id
)
UPDATE rsvp_counters AS c SET managed = false, version = c.version + 1 FROM gone AS g WHERE c.event_id = g.event_id
