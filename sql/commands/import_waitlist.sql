-- Appends the users of a chunk to the waiting lists, in the order of the lines. Users who wait or are members already stay as
-- they are. The counters are locked. Answers like import_apply.sql: how many were added, and the places of refused lines:
-- those of events without settings. New users need not be allowed to wait: these wait already.
WITH line AS (
    SELECT DISTINCT ON (id, user_id) place, id, user_id, created_at
    FROM pg_temp.import_rows
    ORDER BY id, user_id, place
), newcomer AS (
    SELECT
        l.id, l.user_id, coalesce(l.created_at, now()) AS created_at,
        e.last_ticket + row_number() OVER (PARTITION BY l.id ORDER BY l.place) AS ticket
    FROM line AS l
    JOIN events AS e ON e.event_id = l.id
    LEFT JOIN :members AS m ON m.:id = l.id AND m.user_id = l.user_id
    LEFT JOIN waitlist AS w ON w.event_id = l.id AND w.user_id = l.user_id
    WHERE m.user_id IS NULL AND w.user_id IS NULL
), queued AS (
    INSERT INTO waitlist (event_id, ticket, user_id, created_at)
    SELECT id, ticket, user_id, created_at FROM newcomer ORDER BY id, ticket
    RETURNING event_id AS id
), lengthened AS (
    UPDATE events AS e
    SET
        waiting = e.waiting + q.users, last_ticket = e.last_ticket + q.users,
        passed_ticket = CASE WHEN e.waiting > 0 THEN e.passed_ticket ELSE e.last_ticket END
    FROM (SELECT id, count(*) AS users FROM queued GROUP BY id) AS q
    WHERE e.event_id = q.id
)
SELECT NULL::integer AS place, count(*) AS added FROM queued
UNION ALL
SELECT r.place, NULL
FROM pg_temp.import_rows AS r
LEFT JOIN events AS e ON e.event_id = r.id
WHERE e.event_id IS NULL
