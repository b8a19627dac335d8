-- Commits a transaction of several exchanges: all of it is durable once this is answered.
COMMIT
