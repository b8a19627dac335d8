-- Deletes members of an event that closed before a moment, and users who wait for it. Its counter is locked. Answers how many
-- of each. The counter stays, at 0: caches keep the newest version of a count, so it must not begin again.
-- $1: event; $2: the moment, in microseconds of Unix time; $3: how many of each at most.
WITH closed AS (
    SELECT event_id FROM events WHERE event_id = $1::text AND closes_at < 'epoch'::timestamptz + $2::bigint * interval '1 microsecond'
), member AS (
    SELECT m.event_id, m.user_id
    FROM rsvps AS m
    JOIN closed AS c ON c.event_id = m.event_id
    ORDER BY m.user_id
    LIMIT $3::bigint
), gone AS (
    DELETE FROM rsvps AS m
    USING member AS d
    WHERE m.event_id = d.event_id AND m.user_id = d.user_id
    RETURNING m.user_id
), waiter AS (
    SELECT w.event_id, w.ticket
    FROM waitlist AS w
    JOIN closed AS c ON c.event_id = w.event_id
    ORDER BY w.ticket
    LIMIT $3::bigint
), unqueued AS (
    DELETE FROM waitlist AS w
    USING waiter AS d
    WHERE w.event_id = d.event_id AND w.ticket = d.ticket
    RETURNING w.ticket
), counted AS (
    UPDATE rsvp_counters AS c
    SET count = c.count - g.members, version = c.version + 1
    FROM (SELECT count(*) AS members FROM gone) AS g
    WHERE c.event_id = $1::text AND g.members > 0
), shortened AS (
    UPDATE events AS e
    SET waiting = e.waiting - u.users
    FROM (SELECT count(*) AS users FROM unqueued) AS u
    WHERE e.event_id = $1::text AND u.users > 0
)
SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM unqueued)
