-- Limits how long this transaction waits for any lock, and takes the one of lock_admitted.sql where nobody holds it. $1: its number; $2: the
-- limit, as PostgreSQL writes times.
SELECT set_config('lock_timeout', $2, true), pg_try_advisory_xact_lock($1::bigint)
