-- Sets up the session of an operator's command. $1: statement time-out; $2: lock time-out; both as PostgreSQL writes times.
-- Commits are durable, as in session/setup.sql.
SELECT
    set_config('statement_timeout', $1, false),
    set_config('lock_timeout', $2, false),
    set_config('idle_in_transaction_session_timeout', '1min', false),
    set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('default_transaction_deferrable', 'off', false),
    set_config('jit', 'off', false)
