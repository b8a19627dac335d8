-- Who has had a lock on one of our tables longest, for people, and whether a vacuum has one, or what locks like it. Of somebody else's
-- sessions only some roles may see more than the process. Answers no row where there is none.
SELECT format('process %s (application %s, %s, in a transaction since %s) has locked %s',
    coalesce(l.pid::text, 'unknown'),
    coalesce(nullif(a.application_name, ''), 'unknown'),
    coalesce(a.state, 'state unknown'),
    coalesce(to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'unknown'),
    c.relname),
    bool_or(l.mode = 'ShareUpdateExclusiveLock') OVER ()
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM pg_backend_pid()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND c.relkind IN ('r', 'p')
    AND c.relnamespace = (SELECT m.relnamespace FROM pg_class AS m WHERE m.oid = to_regclass('rsvpd_migrations'))
ORDER BY a.xact_start
LIMIT 1
