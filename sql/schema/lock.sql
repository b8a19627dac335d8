-- Lets one `rsvpd migrate` at a time work on this database, until its transaction ends: no pooler can strand such a lock.
-- Waits up to lock_timeout. $1: the number of the lock.
SELECT pg_advisory_xact_lock($1::bigint)
