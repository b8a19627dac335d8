-- Locks the counter of an entity until the end of the transaction, and creates a missing one. Writers change rows first and
-- the counter last. This waits for a writer who has reached the counter. The next statement does not count one who has not:
-- that writer adds its own part after this transaction.
-- $1: entity.
INSERT INTO :counters AS c (:id, count, version)
VALUES ($1::text, 0, 1)
ON CONFLICT (:id) DO UPDATE SET version = c.version
