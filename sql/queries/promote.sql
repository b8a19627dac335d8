-- Gives free seats to the users who have waited longest, unless the event has closed. The counters are locked. If seats
-- remain for users who wait, `promoting_at` is set until they are given. While settings are being cleared it stays until they
-- are gone (clear_settings.sql), and is not renewed: writes that come without a pause must not put the last step off.
-- $1: entities; $2: how many users of each at most.
WITH free AS (
    SELECT e.event_id, e.passed_ticket, e.promoting_at, CASE
        WHEN statement_timestamp() >= e.closes_at THEN 0
        ELSE least(e.waiting, greatest(coalesce(e.capacity - c.count, e.waiting), 0))
    END AS seats
    FROM unnest($1::text[]) AS a (id)
    JOIN events AS e ON e.event_id = a.id
    JOIN :counters AS c ON c.:id = a.id
    WHERE e.waiting > 0 OR e.promoting_at IS NOT NULL
), first AS MATERIALIZED (
    SELECT w.event_id, w.ticket
    FROM free AS f
    CROSS JOIN LATERAL (
        SELECT q.event_id, q.ticket
        FROM waitlist AS q
        WHERE q.event_id = f.event_id AND q.ticket > f.passed_ticket
        ORDER BY q.ticket
        LIMIT least(f.seats, $2::bigint)
    ) AS w
), unqueued AS (
    DELETE FROM waitlist AS w
    USING first AS f
    WHERE w.event_id = f.event_id AND w.ticket = f.ticket
    RETURNING w.event_id AS id, w.user_id AS user_id, w.ticket AS ticket
), added AS (
    INSERT INTO :members (:id, user_id)
    SELECT id, user_id FROM unqueued ORDER BY id, user_id
    RETURNING :id AS id
), counted AS (
    UPDATE :counters AS c
    SET count = c.count + a.members, version = c.version + 1
    FROM (SELECT id, count(*) AS members FROM added GROUP BY id) AS a
    WHERE c.:id = a.id
)
UPDATE events AS e
SET
    waiting = e.waiting - p.users,
    passed_ticket = greatest(e.passed_ticket, p.ticket),
    promoting_at = CASE
        WHEN p.users = $2::bigint AND p.seats > p.users THEN statement_timestamp()
        WHEN e.releasing THEN coalesce(e.promoting_at, statement_timestamp())
    END
FROM (
    SELECT id, sum(seats) AS seats, sum(users)::bigint AS users, max(ticket) AS ticket
    FROM (
        SELECT event_id AS id, seats, 0 AS users, NULL::bigint AS ticket FROM free
        UNION ALL
        SELECT id, 0, 1, ticket FROM unqueued
    ) AS s
    GROUP BY id
) AS p
WHERE e.event_id = p.id AND (p.users > 0 OR e.promoting_at IS NOT NULL)
