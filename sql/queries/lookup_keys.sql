-- Looks up the answers stored under idempotency keys. Answers the positions of the keys in the lists, from 1, what the first
-- request asked, and what it was answered. Deletes expired answers.
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
