-- Revokes a key of a service. Answers its name and whether this did it, or no row if there is no such key.
-- $1: its id.
WITH known AS (
    SELECT id, name FROM api_keys WHERE id = $1::bigint
),
revoked AS (
    UPDATE api_keys SET revoked_at = statement_timestamp()
    WHERE id = $1::bigint AND revoked_at IS NULL
    RETURNING id
)
SELECT known.name, EXISTS (SELECT FROM revoked) FROM known
