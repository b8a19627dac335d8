-- The last entity of the next range to compare, NULL where the range goes to the end: so many rows or so many counters
-- on, whichever comes first. The range holds all rows of its last entity, however many they are.
-- $1: the entity that the range follows, NULL at the beginning; $2: rows; $3: counters.
SELECT least(
    (SELECT m.:id FROM :members AS m
     WHERE $1::text IS NULL OR m.:id > $1::text
     ORDER BY m.:id OFFSET $2::bigint LIMIT 1),
    (SELECT c.:id FROM :counters AS c
     WHERE $1::text IS NULL OR c.:id > $1::text
     ORDER BY c.:id OFFSET $3::bigint LIMIT 1))
