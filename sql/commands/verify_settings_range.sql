-- Like verify_counters_range.sql, for events with settings and their waiting lists.
SELECT least(
    (SELECT w.event_id FROM waitlist AS w
     WHERE $1::text IS NULL OR w.event_id > $1::text
     ORDER BY w.event_id OFFSET $2::bigint LIMIT 1),
    (SELECT e.event_id FROM events AS e
     WHERE $1::text IS NULL OR e.event_id > $1::text
     ORDER BY e.event_id OFFSET $3::bigint LIMIT 1),
    (SELECT c.event_id FROM rsvp_counters AS c
     WHERE $1::text IS NULL OR c.event_id > $1::text
     ORDER BY c.event_id OFFSET $3::bigint LIMIT 1))
