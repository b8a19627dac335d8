-- Takes off the waiting list of an event, whose counter is locked, who is a member of it. $1: event.
DELETE FROM waitlist AS w
USING rsvps AS m
WHERE w.event_id = $1::text AND m.event_id = w.event_id AND m.user_id = w.user_id
