-- Prepares a session of an operator's command. $1: longest time of a statement; $2: longest wait for a lock; both as
-- PostgreSQL writes times. What is committed is durable, as in session/setup.sql.
SELECT
    set_config('statement_timeout', $1, false),
    set_config('lock_timeout', $2, false),
    set_config('idle_in_transaction_session_timeout', '1min', false),
    set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('default_transaction_deferrable', 'off', false),
    set_config('jit', 'off', false)
