-- Takes an entity's settings away, once nobody waits. Its counter is locked.
-- $1: entity.
WITH gone AS (
    DELETE FROM events WHERE event_id = $1::text
)
UPDATE :counters AS c SET managed = false WHERE c.:id = $1::text
