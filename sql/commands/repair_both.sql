-- Removes the members of an event from its waiting list. Its counter is locked. $1: event.
DELETE FROM waitlist AS w
USING rsvps AS m
WHERE w.event_id = $1::text AND m.event_id = w.event_id AND m.user_id = w.user_id
