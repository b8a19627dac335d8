-- A page of the entities that a user is a member of, in order of entities.
-- $1: user; $2: the entity before the page, or the empty string; $3: how many at most.
SELECT :id, created_at
FROM :members
WHERE user_id = $1::text AND :id > $2::text
ORDER BY :id
LIMIT $3::bigint
