-- Sets whether an event has settings, in its counter, which is locked. $1: event.
UPDATE rsvp_counters AS c
SET managed = NOT c.managed, version = c.version + 1
WHERE c.event_id = $1::text AND c.managed <> EXISTS (SELECT FROM events AS e WHERE e.event_id = $1::text)
