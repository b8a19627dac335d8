-- Hands statements to the worker that has an entity's shard (citus.sql). The arguments are those of rsvpd_at_shards.
SELECT * FROM rsvpd_at_shards($1::text, $2::bigint[], $3::text, $4::text, $5::text[], $6::text[])
