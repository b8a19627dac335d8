-- Reads the counts of entities that ever had a member: the entity, the count, its version, and the time of reading. That
-- is the start of the transaction, which is before its snapshot. If the server stalls in between, the count looks older
-- than it is, never newer.
-- $1: entities.
SELECT c.:id, c.count, c.version, transaction_timestamp()
FROM :counters AS c
WHERE c.:id = ANY ($1::text[])
