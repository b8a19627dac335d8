-- The counts of entities that ever had a member: the entity, the count, its version, and when it was read. The time is that
-- of the transaction's beginning, which is before its snapshot: a server that stands still in between makes the count look
-- older than it is, never newer.
-- $1: entities.
SELECT c.:id, c.count, c.version, transaction_timestamp()
FROM :counters AS c
WHERE c.:id = ANY ($1::text[])
