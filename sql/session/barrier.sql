-- Asked of the primary: how far a replica must have replayed the log to show everything that was acknowledged before this was
-- asked. A commit is flushed before it is acknowledged. Answers the place in the log, its timeline, and when this server
-- started: that tells a run of a server from all others. Where another run took writes last, marks this one as the one that
-- does: no replica that follows another server has that mark.
WITH marked AS (
    UPDATE rsvpd_primary SET started = pg_postmaster_start_time() WHERE started <> pg_postmaster_start_time()
)
SELECT flushed::text, substr(pg_walfile_name(flushed), 1, 8), pg_postmaster_start_time()::text
FROM pg_current_wal_flush_lsn() AS flushed
