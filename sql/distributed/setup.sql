-- Sets a session of a coordinator up, after session/setup.sql. It plans no statement without the values of its parameters: the
-- workers have such plans (citus.sql). What asks all shards asks those of a worker one after the other, over one connection:
-- else each session could take many of a worker's.
SELECT
    set_config('plan_cache_mode', 'force_custom_plan', false),
    set_config('citus.max_adaptive_executor_pool_size', '1', false)
