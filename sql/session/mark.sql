-- Marks this run of this server as the one that takes writes. When a server started tells its run from all others. No replica
-- that follows another server, or that left its line of changes before, has the mark.
UPDATE rsvpd_primary SET started = pg_postmaster_start_time() WHERE started <> pg_postmaster_start_time()
