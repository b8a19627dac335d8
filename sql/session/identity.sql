-- Identifies this session among all others, past and present; and its server, by when that started; and the number of the
-- database's last migration.
SELECT pid::text, backend_start::text, pg_postmaster_start_time()::text,
    (SELECT coalesce(max(number), 0)::text FROM rsvpd_migrations)
FROM pg_stat_activity WHERE pid = pg_backend_pid()
