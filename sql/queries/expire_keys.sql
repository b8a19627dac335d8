-- Deletes stored answers that expired more than a minute ago, and answers how many. It skips rows that a request has locked.
-- No request reads these rows, except one that reuses a key after its day.
-- $1: how many at most.
WITH expired AS (
    SELECT user_id, key
    FROM idempotency_keys
    WHERE expires_at < statement_timestamp() - interval '1 minute'
    ORDER BY expires_at
    LIMIT $1::bigint
    FOR UPDATE SKIP LOCKED
), deleted AS (
    DELETE FROM idempotency_keys AS k
    USING expired AS e
    WHERE k.user_id = e.user_id AND k.key = e.key
    RETURNING k.key
)
SELECT count(*) FROM deleted
