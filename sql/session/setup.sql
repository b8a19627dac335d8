-- Sets a session up. $1: statement time-out; $2: lock time-out; both as PostgreSQL writes times.
-- A commit is acknowledged when it is durable; a stronger setting of the server stays. Batches are planned as look-ups by
-- key, never as scans of a table that looks small in the statistics: statistics lag behind growth. (A scan of an index of a
-- few pages remains possible; refresh.sql ends it as the table grows.)
SELECT
    set_config('statement_timeout', $1, false),
    set_config('lock_timeout', $2, false),
    set_config('idle_in_transaction_session_timeout', $1, false),
    set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
    set_config('default_transaction_isolation', 'read committed', false),
    set_config('default_transaction_deferrable', 'off', false),
    set_config('plan_cache_mode', 'force_generic_plan', false),
    set_config('enable_seqscan', 'off', false),
    set_config('enable_bitmapscan', 'off', false),
    set_config('enable_hashjoin', 'off', false),
    set_config('enable_mergejoin', 'off', false),
    set_config('enable_material', 'off', false),
    set_config('enable_memoize', 'off', false),
    set_config('jit', 'off', false)
