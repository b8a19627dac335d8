-- Lets one `rsvpd migrate` at a time work on this database, until its session ends. The number is any that
-- nobody else uses.
SELECT pg_advisory_lock(823746120459)
