-- Asks Citus for the shards of entities, in the order given. $1: entities.
SELECT get_shard_id_for_distribution_column('rsvps', e.id)::text
FROM unnest($1::text[]) WITH ORDINALITY AS e (id, place)
ORDER BY e.place
