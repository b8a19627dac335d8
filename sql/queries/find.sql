-- Finds which of the pairs are members, and since when. Answers their positions in the lists, from 1, and the times.
-- $1, $2: entities and users.
SELECT i.place, m.created_at
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i (id, user_id, place)
JOIN :members AS m ON m.:id = i.id AND m.user_id = i.user_id
