-- Sets the number of users who wait for an event to the number of rows, `passed_ticket` below the lowest ticket that waits,
-- and `last_ticket` not below the highest. The counter is locked. $1: event.
UPDATE events AS e
SET waiting = w.rows, passed_ticket = least(e.passed_ticket, w.first_ticket - 1), last_ticket = greatest(e.last_ticket, w.highest_ticket)
FROM (SELECT count(*) AS rows, min(ticket) AS first_ticket, max(ticket) AS highest_ticket FROM waitlist WHERE event_id = $1::text) AS w
WHERE e.event_id = $1::text AND (e.waiting <> w.rows OR w.first_ticket <= e.passed_ticket OR w.highest_ticket > e.last_ticket)
