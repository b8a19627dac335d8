-- Ends a session that was given up while it had writes, and waits up to half a second until it is gone. What it has not done
-- by then, it never does. Answers nothing if the session is gone already.
-- $1, $2: the session, as identity.sql answers it.
SELECT pg_terminate_backend(pid, 500)
FROM pg_stat_activity
WHERE pid = $1::integer AND backend_start = $2::timestamptz
