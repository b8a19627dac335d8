-- A page of the members of an entity, in the order of users.
-- $1: entity; $2: the user that the page follows, or the empty string; $3: how many at most.
SELECT user_id, created_at
FROM :members
WHERE :id = $1::text AND user_id > $2::text
ORDER BY user_id
LIMIT $3::bigint
