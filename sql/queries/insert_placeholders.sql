-- Before a batch with removals: inserts a placeholder where a pair to remove is missing. That waits for a transaction which
-- is just adding the pair. Without it, a removal would find nothing and be acknowledged, and an addition of unknown outcome,
-- whose commit takes long, would bring the pair back afterwards. write.sql removes the placeholders.
-- A placeholder has the earliest time there is, which nobody else writes.
-- $1, $2: entities and users to remove, sorted.
INSERT INTO :members (:id, user_id, created_at)
SELECT r.id, r.user_id, '4714-11-24 00:00:00+00 BC'
FROM unnest($1::text[], $2::text[]) AS r (id, user_id)
ON CONFLICT DO NOTHING
