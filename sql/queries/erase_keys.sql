-- Deletes answers that are kept for a user, and answers how many.
-- $1: user; $2: how many at most.
WITH kept AS (
    SELECT key
    FROM idempotency_keys
    WHERE user_id = $1::text
    ORDER BY key
    LIMIT $2::bigint
    FOR UPDATE
), deleted AS (
    DELETE FROM idempotency_keys AS k
    USING kept
    WHERE k.user_id = $1::text AND k.key = kept.key
    RETURNING k.key
)
SELECT count(*) FROM deleted
