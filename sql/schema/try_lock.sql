-- Limits how long this transaction waits for a lock, and takes the lock of lock.sql if it is free. $1: the number of the
-- lock; $2: the limit, as PostgreSQL writes times.
SELECT set_config('lock_timeout', $2, true), pg_try_advisory_xact_lock($1::bigint)
