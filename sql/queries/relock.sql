-- Locks an entity's counter for the next step of a change that is made in steps.
-- $1: entity.
SELECT c.version FROM :counters AS c WHERE c.:id = $1::text FOR UPDATE
