-- Sets how many wait for an event, whose counter is locked, to the number of rows. $1: event.
UPDATE events AS e
SET waiting = w.rows
FROM (SELECT count(*) AS rows FROM waitlist WHERE event_id = $1::text) AS w
WHERE e.event_id = $1::text AND e.waiting <> w.rows
