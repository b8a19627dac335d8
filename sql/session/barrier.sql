-- Asked of the primary: how far a replica must have replayed the log to show everything that was acknowledged before this was
-- asked. A commit is flushed before it is acknowledged. Answers the place in the log, its timeline, and the mark of this run of
-- this server; nothing where the mark is missing (mark.sql).
SELECT pg_current_wal_flush_lsn()::text, substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8), started::text
FROM rsvpd_primary
WHERE started = pg_postmaster_start_time()
