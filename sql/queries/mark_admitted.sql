-- Locks an entity's counter and marks it: the entity has settings.
-- $1: entity.
INSERT INTO :counters AS c (:id, count, version, managed)
VALUES ($1::text, 0, 0, true)
ON CONFLICT (:id) DO UPDATE SET managed = true
