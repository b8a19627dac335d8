-- Locks the counters of entities that have settings, in their order, before anything about these is looked at; fails where
-- one of them has none any more.
-- $1: entities, sorted.
INSERT INTO :counters AS c (:id, count, version)
SELECT e.id, 0, 0
FROM unnest($1::text[]) AS e (id)
ON CONFLICT (:id) DO UPDATE SET version = c.version
RETURNING CASE WHEN c.managed THEN 0 ELSE ('has no settings' || left(c.:id, 0))::bigint END
