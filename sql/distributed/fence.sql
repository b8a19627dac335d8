-- Like session/fence.sql, for a session of a coordinator: ends what it has under way on workers as well, which could still
-- commit. $1, $2: the session, as identity.sql answers it. Fails if a worker cannot be asked, within a second.
WITH ended AS MATERIALIZED (
    SELECT count(pg_terminate_backend(pid, 500)) AS sessions, set_config('citus.node_connection_timeout', '1000', true) AS bound
    FROM pg_stat_activity
    WHERE pid = $1::integer AND backend_start = $2::timestamptz
)
SELECT 1 / count(*) FILTER (WHERE w.success)
FROM ended
CROSS JOIN LATERAL run_command_on_workers(format(
    'SELECT count(pg_terminate_backend(pid, 500)) FROM pg_stat_activity WHERE application_name = ''citus_internal gpid=%s'' AND %s >= 0',
    citus_calculate_gpid(citus_coordinator_nodeid(), $1::integer), ended.sessions)) AS w
GROUP BY w.nodename, w.nodeport
