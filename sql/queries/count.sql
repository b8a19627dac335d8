-- The counts of entities that ever had a member: the entity, the count, its version, and when it was read. The time is that
-- of the statement's beginning, next to its snapshot: how long the statement takes does not matter.
-- $1: entities.
SELECT c.:id, c.count, c.version, statement_timestamp()
FROM :counters AS c
WHERE c.:id = ANY ($1::text[])
