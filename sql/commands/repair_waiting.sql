-- Sets how many wait for an event, whose counter is locked, to the number of rows, and the ticket that is below all that wait where it
-- is not. $1: event.
UPDATE events AS e
SET waiting = w.rows, passed_ticket = least(e.passed_ticket, w.first_ticket - 1)
FROM (SELECT count(*) AS rows, min(ticket) AS first_ticket FROM waitlist WHERE event_id = $1::text) AS w
WHERE e.event_id = $1::text AND (e.waiting <> w.rows OR w.first_ticket <= e.passed_ticket)
