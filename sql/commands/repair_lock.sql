-- Locks the counter of an entity until the end of the transaction, making one where there is none. Writers change rows first and
-- then the counter. Who has got that far is waited for; who has not is not counted by the next statement, and adds its own
-- part after this transaction.
-- $1: entity.
INSERT INTO :counters AS c (:id, count, version)
VALUES ($1::text, 0, 1)
ON CONFLICT (:id) DO UPDATE SET version = c.version
