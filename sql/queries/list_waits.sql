-- A page of the entities that a user waits for a seat of, in order of entities.
-- $1: user; $2: the entity before the page, or the empty string; $3: how many at most.
SELECT event_id, created_at
FROM waitlist
WHERE user_id = $1::text AND event_id > $2::text
ORDER BY event_id
LIMIT $3::bigint
