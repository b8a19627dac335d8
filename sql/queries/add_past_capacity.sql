-- Makes users members regardless of capacity, waiting list and window. Answers which of them were not members before.
-- The counters are locked. A user who waits leaves the waiting list.
-- $1, $2: entities and users, sorted.
WITH asked AS (
    SELECT id, user_id FROM unnest($1::text[], $2::text[]) AS a (id, user_id)
), added AS (
    INSERT INTO :members (:id, user_id)
    SELECT id, user_id FROM asked
    ON CONFLICT DO NOTHING
    RETURNING :id AS id, user_id
), counted AS (
    UPDATE :counters AS c
    SET count = c.count + a.members, version = c.version + 1
    FROM (SELECT id, count(*) AS members FROM added GROUP BY id) AS a
    WHERE c.:id = a.id
), unqueued AS (
    DELETE FROM waitlist AS w
    USING asked AS a
    WHERE w.event_id = a.id AND w.user_id = a.user_id
    RETURNING w.event_id AS id
), shortened AS (
    UPDATE events AS e
    SET waiting = e.waiting - u.users
    FROM (SELECT id, count(*) AS users FROM unqueued GROUP BY id) AS u
    WHERE e.event_id = u.id
)
SELECT id, user_id FROM added
