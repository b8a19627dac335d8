-- Locks an entity's counter for a further step of what is done to it in steps.
-- $1: entity.
SELECT c.version FROM :counters AS c WHERE c.:id = $1::text FOR UPDATE
