-- Of the next kept answers in the order of their keys, deletes those for writes to events that closed before a moment. Answers
-- how many, and the last that was looked at, if any. So a run reads the table once, however large it is.
-- $1: the moment, in microseconds of Unix time; $2, $3: user and key before them, or empty strings; $4: how many are looked at.
WITH looked AS MATERIALIZED (
    SELECT user_id, key, action, entity_id
    FROM idempotency_keys
    WHERE (user_id, key) > ($2::text, $3::text)
    ORDER BY user_id, key
    LIMIT $4::bigint
), closed AS MATERIALIZED (
    SELECT l.user_id, l.key
    FROM looked AS l
    JOIN events AS e ON e.event_id = l.entity_id
    WHERE l.action ~ '^[A-Z]+ rsvp' AND e.closes_at < 'epoch'::timestamptz + $1::bigint * interval '1 microsecond'
), gone AS (
    DELETE FROM idempotency_keys AS k
    USING closed AS c
    WHERE k.user_id = c.user_id AND k.key = c.key
    RETURNING k.key
)
SELECT (SELECT count(*) FROM gone), l.user_id, l.key
FROM looked AS l
ORDER BY l.user_id DESC, l.key DESC
LIMIT 1
