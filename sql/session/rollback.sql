-- Rolls back a transaction of several exchanges that failed.
ROLLBACK
