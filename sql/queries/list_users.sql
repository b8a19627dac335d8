-- A page of the members of an entity, in order of users.
-- $1: entity; $2: the user before the page, or the empty string; $3: how many at most.
SELECT user_id, created_at
FROM :members
WHERE :id = $1::text AND user_id > $2::text
ORDER BY user_id
LIMIT $3::bigint
