-- Limits how long this transaction waits for any lock from now on. $1: the limit, as PostgreSQL writes times.
SELECT set_config('lock_timeout', $1, true)
