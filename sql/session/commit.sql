-- Ends a transaction of several exchanges: all of it is durable when this has been answered.
COMMIT
