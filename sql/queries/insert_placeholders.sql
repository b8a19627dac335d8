-- Before a batch with removals: puts a placeholder where a pair to be removed is not there, which waits for whoever is just
-- adding it. A removal that merely looked would find nothing and be acknowledged, and a write of unknown outcome, whose
-- commit takes long, would come back after it. write.sql takes the placeholders out again.
-- Their time is the earliest that there is, which nobody else writes.
-- $1, $2: entities and users to remove, sorted.
INSERT INTO :members (:id, user_id, created_at)
SELECT r.id, r.user_id, '4714-11-24 00:00:00+00 BC'
FROM unnest($1::text[], $2::text[]) AS r (id, user_id)
ON CONFLICT DO NOTHING
