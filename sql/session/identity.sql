-- Identifies this session among all others, past and present.
SELECT pid::text, backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()
