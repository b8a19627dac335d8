-- Which of the entities have settings.
-- $1: entities.
SELECT c.:id
FROM :counters AS c
WHERE c.:id = ANY ($1::text[]) AND c.managed
