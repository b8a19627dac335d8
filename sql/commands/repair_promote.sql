-- Gives free seats of an event to the users who have waited longest, like queries/promote.sql. The counter is locked. An
-- event without settings has a seat for everybody. Answers a row for each user. $1: event; $2: how many at most.
WITH free AS (
    SELECT CASE
        WHEN statement_timestamp() >= e.closes_at THEN 0
        WHEN e.capacity IS NOT NULL THEN least(greatest(e.capacity - c.count, 0), $2::bigint)
        ELSE $2::bigint
    END AS seats
    FROM rsvp_counters AS c
    LEFT JOIN events AS e ON e.event_id = c.event_id
    WHERE c.event_id = $1::text
), first AS MATERIALIZED (
    SELECT w.ticket
    FROM waitlist AS w
    WHERE w.event_id = $1::text
    ORDER BY w.ticket
    LIMIT (SELECT seats FROM free)
), unqueued AS (
    DELETE FROM waitlist AS w
    USING first AS f
    WHERE w.event_id = $1::text AND w.ticket = f.ticket
    RETURNING w.user_id AS user_id
), added AS (
    INSERT INTO rsvps (event_id, user_id)
    SELECT $1::text, user_id FROM unqueued ORDER BY user_id
    RETURNING user_id
), counted AS (
    UPDATE rsvp_counters AS c
    SET count = c.count + a.members, version = c.version + 1
    FROM (SELECT count(*) AS members FROM added) AS a
    WHERE c.event_id = $1::text AND a.members > 0
), shortened AS (
    UPDATE events AS e
    SET waiting = e.waiting - u.users
    FROM (SELECT count(*) AS users FROM unqueued) AS u
    WHERE e.event_id = $1::text AND u.users > 0
)
SELECT user_id FROM unqueued
