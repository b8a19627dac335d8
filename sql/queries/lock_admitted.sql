-- Locks the counters of entities with settings, in order, before anything about the entities is read. Fails if an entity
-- has no settings any more.
-- $1: entities, sorted.
INSERT INTO :counters AS c (:id, count, version)
SELECT e.id, 0, 0
FROM unnest($1::text[]) AS e (id)
ON CONFLICT (:id) DO UPDATE SET version = c.version
RETURNING CASE WHEN c.managed THEN 0 ELSE ('has no settings' || left(c.:id, 0))::bigint END
