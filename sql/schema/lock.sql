-- Lets one `rsvpd migrate` at a time work on this database, until its transaction ends: no pooler can strand such a lock. Waits for
-- it as long as lock_timeout says. $1: its number.
SELECT pg_advisory_xact_lock($1::bigint)
