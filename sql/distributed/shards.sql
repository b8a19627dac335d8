-- Reads which shards there are, in the order of the hashes of their entities: the first hash of each, its number, and the server
-- that has it. The shards of all tables of events and posts have the same hashes: they are known by the number that a shard of
-- rsvps has.
SELECT s.shardminvalue::integer::text, s.shardid::text, p.groupid::text
FROM pg_dist_shard AS s
JOIN pg_dist_placement AS p USING (shardid)
WHERE s.logicalrelid = 'rsvps'::regclass
ORDER BY s.shardminvalue::integer
