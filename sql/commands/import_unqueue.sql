-- For an import past the capacity: removes the new members from the waiting lists. The counters are locked.
WITH unqueued AS (
    DELETE FROM waitlist AS w
    USING pg_temp.import_rows AS r
    WHERE w.event_id = r.id AND w.user_id = r.user_id
    RETURNING w.event_id AS id
)
UPDATE events AS e
SET waiting = e.waiting - u.users
FROM (SELECT id, count(*) AS users FROM unqueued GROUP BY id) AS u
WHERE e.event_id = u.id
