-- Removes an entity's settings that are being cleared, once nobody waits. Its counter is locked.
-- $1: entity.
WITH gone AS (
    DELETE FROM events WHERE event_id = $1::text AND releasing AND waiting = 0
    RETURNING event_id
)
UPDATE :counters AS c SET managed = false FROM gone AS g WHERE c.:id = g.event_id
