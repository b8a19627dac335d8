-- The answers that are kept under idempotency keys: answers the keys' places in the lists, counted from 1, what was asked
-- under them first, and what was answered. An answer whose time is over goes.
-- $1, $2: users and keys.
WITH asked AS (
    SELECT user_id, key, place
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS a (user_id, key, place)
), expired AS (
    DELETE FROM idempotency_keys AS k
    USING asked AS a
    WHERE k.user_id = a.user_id AND k.key = a.key AND k.expires_at <= statement_timestamp()
)
SELECT a.place, k.action, k.entity_id, k.changed::integer::bigint, k.count, k.place, k.place_exact::integer::bigint
FROM asked AS a
JOIN idempotency_keys AS k ON k.user_id = a.user_id AND k.key = a.key
WHERE k.expires_at > statement_timestamp()
