-- A page of the answers that are kept for a user, in order of their keys: the key, what was asked, the entity, when the answer
-- expires, and what it says: whether anything changed, as 0 or 1, the count, and the position on the waiting list, or 0.
-- $1: user; $2: the key before the page, or the empty string; $3: how many at most.
SELECT key, action, entity_id, expires_at, changed::integer::bigint, count, place
FROM idempotency_keys
WHERE user_id = $1::text AND key > $2::text
ORDER BY key
LIMIT $3::bigint
