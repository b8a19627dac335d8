-- Sets the number of users who wait for an event to the number of rows, and `passed_ticket` below the lowest ticket that
-- waits. The counter is locked. $1: event.
UPDATE events AS e
SET waiting = w.rows, passed_ticket = least(e.passed_ticket, w.first_ticket - 1)
FROM (SELECT count(*) AS rows, min(ticket) AS first_ticket FROM waitlist WHERE event_id = $1::text) AS w
WHERE e.event_id = $1::text AND (e.waiting <> w.rows OR w.first_ticket <= e.passed_ticket)
