-- Finds the last entity of the next range to compare, NULL if the range goes to the end. A range has a number of rows or of
-- counters, whichever is reached first, and all rows of its last entity, however many they are.
-- $1: the entity before the range, NULL at the beginning; $2: rows; $3: counters.
SELECT least(
    (SELECT m.:id FROM :members AS m
     WHERE $1::text IS NULL OR m.:id > $1::text
     ORDER BY m.:id OFFSET $2::bigint LIMIT 1),
    (SELECT c.:id FROM :counters AS c
     WHERE $1::text IS NULL OR c.:id > $1::text
     ORDER BY c.:id OFFSET $3::bigint LIMIT 1))
