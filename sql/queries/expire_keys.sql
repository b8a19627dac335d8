-- Deletes some of the kept answers whose time has been over for a minute, and answers how many. What a request has
-- locked it passes by; and no request looks at these rows, but one that uses a key anew after its day.
-- $1: how many at most.
WITH expired AS (
    SELECT user_id, key
    FROM idempotency_keys
    WHERE expires_at < statement_timestamp() - interval '1 minute'
    ORDER BY expires_at
    LIMIT $1::bigint
    FOR UPDATE SKIP LOCKED
), forgotten AS (
    DELETE FROM idempotency_keys AS k
    USING expired AS e
    WHERE k.user_id = e.user_id AND k.key = e.key
    RETURNING k.key
)
SELECT count(*) FROM forgotten
