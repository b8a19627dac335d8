-- Deletes answers that are kept for writes to events that closed before a moment. It reads the whole table, which has the
-- answers of one day. $1: the moment; $2: how many at most.
WITH kept AS (
    SELECT k.user_id, k.key
    FROM idempotency_keys AS k
    JOIN events AS e ON e.event_id = k.entity_id AND e.closes_at < $1::timestamptz
    WHERE k.action ~ '^[A-Z]+ rsvp'
    ORDER BY k.user_id, k.key
    LIMIT $2::bigint
    FOR UPDATE OF k
)
DELETE FROM idempotency_keys AS k
USING kept
WHERE k.user_id = kept.user_id AND k.key = kept.key
