-- Removes users from the members or from the waiting list, and answers which of them were there. The counters are locked.
-- $1, $2: entities and users, sorted.
WITH asked AS (
    SELECT id, user_id FROM unnest($1::text[], $2::text[]) AS a (id, user_id)
), gone AS (
    DELETE FROM :members AS m
    USING asked AS a
    WHERE m.:id = a.id AND m.user_id = a.user_id
    RETURNING m.:id AS id, m.user_id AS user_id
), unqueued AS (
    DELETE FROM waitlist AS w
    USING asked AS a
    WHERE w.event_id = a.id AND w.user_id = a.user_id
    RETURNING w.event_id AS id, w.user_id AS user_id
), counted AS (
    UPDATE :counters AS c
    SET count = c.count - g.members, version = c.version + 1
    FROM (SELECT id, count(*) AS members FROM gone GROUP BY id) AS g
    WHERE c.:id = g.id
), shortened AS (
    UPDATE events AS e
    SET waiting = e.waiting - u.users
    FROM (SELECT id, count(*) AS users FROM unqueued GROUP BY id) AS u
    WHERE e.event_id = u.id
)
SELECT id, user_id FROM gone
UNION ALL
SELECT id, user_id FROM unqueued
