-- Gives free seats to those who have waited longest, unless the event has closed. The counters are locked.
-- $1: entities.
WITH free AS (
    SELECT e.event_id, CASE WHEN e.capacity IS NULL THEN e.waiting ELSE greatest(e.capacity - c.count, 0) END AS seats
    FROM unnest($1::text[]) AS a (id)
    JOIN events AS e ON e.event_id = a.id
    JOIN :counters AS c ON c.:id = a.id
    WHERE e.waiting > 0 AND coalesce(statement_timestamp() < e.closes_at, true)
), first AS (
    SELECT w.event_id, w.ticket
    FROM free AS f
    CROSS JOIN LATERAL (
        SELECT q.event_id, q.ticket FROM waitlist AS q WHERE q.event_id = f.event_id ORDER BY q.ticket LIMIT f.seats
    ) AS w
), unqueued AS (
    DELETE FROM waitlist AS w
    USING first AS f
    WHERE w.event_id = f.event_id AND w.ticket = f.ticket
    RETURNING w.event_id AS id, w.user_id AS user_id
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
SET waiting = e.waiting - u.users
FROM (SELECT id, count(*) AS users FROM unqueued GROUP BY id) AS u
WHERE e.event_id = u.id
