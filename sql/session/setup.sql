-- Prepares a session. $1: longest time of a statement; $2: longest wait for a lock; both as PostgreSQL writes times.
-- A commit is acknowledged when it is durable: the server's own setting stands where it is stronger. Batches
-- are planned as look-ups of their keys, and never as scans of a table that statistics call small: statistics lag behind
-- growth. (A scan of an index that is a few pages long remains possible; refresh.sql ends it as the table grows.)
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
