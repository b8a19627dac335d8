-- Says who holds the lock of lock.sql, for people. Only some roles see more than the process of another role's session.
-- $1: the number of the lock.
SELECT coalesce(format('process %s (application %s, %s, connected since %s)',
    l.pid,
    coalesce(nullif(a.application_name, ''), 'unknown'),
    coalesce(a.state, 'state unknown'),
    coalesce(to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'unknown')), 'a prepared transaction')
FROM pg_locks AS l
LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND l.classid = ($1::bigint >> 32)::oid AND l.objid = ($1::bigint & 4294967295)::oid
LIMIT 1
