-- Distributes a migrated schema over the workers of a Citus cluster. Run it on the coordinator, as the role that owns the
-- tables: psql --single-transaction --set ON_ERROR_STOP=1 --file citus.sql (docs/how-to/shard-with-citus.md).
-- With --set shards=N there are N shards: as many servers can ever share the tables, and each costs every batch something.
-- Where the tables are distributed by now, it brings the functions up to date.
--
-- All rows of an event or post are in one shard: the tables are colocated. What the service does for the entities of one
-- worker is one call of rsvpd_at_shards, which Citus hands to the worker. Idempotency keys, the keys of services
-- and secrets stay tables of the coordinator.
\if :{?shards}
\else
\set shards 8
\endif
SET LOCAL citus.multi_shard_modify_mode TO 'sequential'; -- one transaction for tables and functions
SET LOCAL citus.shard_replication_factor TO 1; -- a batch is of one server, and would leave other copies behind
SELECT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = 'rsvps'::regclass) AS distributed \gset
\if :distributed
\else
SELECT create_distributed_table('rsvps', 'event_id', colocate_with => 'none', shard_count => :shards);
SELECT create_distributed_table('rsvp_counters', 'event_id', colocate_with => 'rsvps');
SELECT create_distributed_table('events', 'event_id', colocate_with => 'rsvps');
SELECT create_distributed_table('waitlist', 'event_id', colocate_with => 'rsvps');
SELECT create_distributed_table('likes', 'post_id', colocate_with => 'rsvps');
SELECT create_distributed_table('like_counters', 'post_id', colocate_with => 'rsvps');

-- Has no rows. It makes Citus commit a write and its idempotency key in two phases: two_phases.sql.
CREATE TABLE rsvpd_two_phases (id integer PRIMARY KEY);
SELECT citus_add_local_table_to_metadata('rsvpd_two_phases');
\endif

-- Keeps shards where they are until the transaction ends: Citus moves and splits shards under the same lock. Fails with 40001 if
-- the call is to be made again, where the shards are now. A shard never has other entities: a split makes new ones.
-- It has the rights of the owner of the tables, which the lock wants: so it finds no tables of whoever calls it, and
-- service_role.sql says who may.
CREATE OR REPLACE FUNCTION rsvpd_hold_shards(shards bigint[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF 0 = ANY (shards) THEN
        RAISE EXCEPTION 'the shards of the entities were not known' USING ERRCODE = '40001';
    END IF;
    BEGIN
        PERFORM lock_shard_metadata(5, shards); -- 5: SHARE
    EXCEPTION WHEN internal_error THEN -- what Citus says of one that is there no more
        RAISE EXCEPTION 'a shard has been split' USING ERRCODE = '40001';
    END;
    IF cardinality(shards) <> (
        SELECT count(*) FROM pg_dist_placement AS p JOIN pg_dist_local_group AS g USING (groupid) WHERE p.shardid = ANY (shards)
    ) THEN
        RAISE EXCEPTION 'a shard has moved' USING ERRCODE = '40001';
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION rsvpd_hold_shards(bigint[]) FROM PUBLIC;

-- Sets the session of a worker up, like session/setup.sql, and drops old plans, like session/refresh.sql: a worker's sessions
-- belong to one session of the coordinator.
CREATE OR REPLACE FUNCTION rsvpd_set_up_worker(time_out text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM
        set_config('idle_in_transaction_session_timeout', time_out, false),
        set_config('synchronous_commit',
            CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
        set_config('plan_cache_mode', 'force_generic_plan', false),
        set_config('enable_seqscan', 'off', false),
        set_config('enable_bitmapscan', 'off', false),
        set_config('enable_hashjoin', 'off', false),
        set_config('enable_mergejoin', 'off', false),
        set_config('enable_material', 'off', false),
        set_config('enable_memoize', 'off', false),
        set_config('jit', 'off', false),
        set_config('rsvpd.set_up_until', extract(epoch FROM statement_timestamp() + interval '10 seconds')::text, false);
    DISCARD PLANS;
END
$$;

-- Prepares a statement for a shard: its tables are the shard's. Table names stand behind one of these words alone.
CREATE OR REPLACE FUNCTION rsvpd_prepare_at_shard(name text, sql text, shard bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    part record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_prepared_statements AS p WHERE p.name = rsvpd_prepare_at_shard.name) THEN
        FOR part IN
            SELECT c.relname, shard_name(s.logicalrelid, s.shardid) AS shard_table
            FROM pg_dist_shard AS a
            JOIN pg_dist_partition AS p ON p.logicalrelid = a.logicalrelid
            JOIN pg_dist_partition AS o ON o.colocationid = p.colocationid
            JOIN pg_dist_shard AS s ON s.logicalrelid = o.logicalrelid AND s.shardminvalue = a.shardminvalue
            JOIN pg_class AS c ON c.oid = s.logicalrelid
            WHERE a.shardid = shard
        LOOP
            sql := regexp_replace(sql, format('\m(FROM|JOIN|INTO|UPDATE) %s\M', part.relname), format('\1 %s', part.shard_table), 'g');
        END LOOP;
        EXECUTE format('PREPARE %I AS %s', name, sql);
    END IF;
    PERFORM set_config('rsvpd.' || name, 'prepared', false);
END
$$;

-- Runs statements of sql/queries at shards of the server that has the entity's, as one transaction. Answers the rows of each in
-- the format of record_send, and a NULL behind them. `shards` are all that have statements. `texts` has the name and the text of
-- each statement; another text has another name. `statements` has three elements for each: its name, the list of its arguments in
-- SQL, and whether its rows are wanted ('' for no). Where the name is '', a shard follows: the statements behind it are for that
-- one.
CREATE OR REPLACE FUNCTION rsvpd_at_shards(
    entity text, shards bigint[], time_out text, lock_time_out text, texts text[], statements text[]
)
RETURNS SETOF bytea
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    shard bigint;
    name text;
    answer record;
BEGIN
    IF coalesce(current_setting('rsvpd.set_up_until', true), '') = ''
        OR current_setting('rsvpd.set_up_until')::numeric < extract(epoch FROM statement_timestamp())
    THEN
        PERFORM rsvpd_set_up_worker(time_out);
    END IF;
    PERFORM set_config('lock_timeout', lock_time_out, true), rsvpd_hold_shards(shards);
    FOR i IN 1 .. cardinality(statements) BY 3 LOOP
        IF statements[i] = '' THEN
            shard := statements[i + 1];
            CONTINUE;
        END IF;
        name := statements[i] || '_' || shard;
        IF coalesce(current_setting('rsvpd.' || name, true), '') = '' THEN
            PERFORM rsvpd_prepare_at_shard(name, texts[array_position(texts, statements[i]) + 1], shard);
        END IF;
        IF statements[i + 2] = '' THEN
            EXECUTE 'EXECUTE ' || name || statements[i + 1];
        ELSE
            FOR answer IN EXECUTE 'EXECUTE ' || name || statements[i + 1] LOOP
                RETURN NEXT record_send(answer);
            END LOOP;
        END IF;
        RETURN NEXT NULL;
    END LOOP;
END
$$;

SELECT create_distributed_function('rsvpd_at_shards(text, bigint[], text, text, text[], text[])',
    distribution_arg_name => 'entity', colocate_with => 'rsvps', force_delegation => true);
