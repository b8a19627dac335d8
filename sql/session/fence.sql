-- Ends a session of ours that was given up while it had writes, and waits for half a second until it is gone: what it has not
-- done by then it never does. Answers nothing where it is gone already.
-- $1, $2: what identity.sql told of it.
SELECT pg_terminate_backend(pid, 500)
FROM pg_stat_activity
WHERE pid = $1::integer AND backend_start = $2::timestamptz
