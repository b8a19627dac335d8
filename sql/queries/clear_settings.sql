-- Takes an entity's settings away that are to go, once nobody waits. Its counter is locked.
-- $1: entity.
WITH gone AS (
    DELETE FROM events WHERE event_id = $1::text AND releasing AND waiting = 0
    RETURNING event_id
)
UPDATE :counters AS c SET managed = false FROM gone AS g WHERE c.:id = g.event_id
