-- Asked of a replica, in front of what it is to read: why it cannot answer in place of the primary; empty: it can. Waits up to
-- 10 ms for what is on its way. What follows has a newer snapshot, and shows at least what was replayed here.
-- $1, $2, $3: the place in the log, its timeline, and the primary's start, as barrier.sql answers them.
-- The mark of the primary's run is on no line of changes that left this primary's before that run. Lines that left it later,
-- by a promotion, have another timeline. So with the mark, the timeline and the place, nothing is missing. The timeline is
-- looked at last: it does not go back.
WITH RECURSIVE waiting (round, replayed) AS (
    SELECT 0, coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false)
    UNION ALL
    SELECT round + 1, CASE WHEN pg_sleep(0.001) IS NOT NULL THEN pg_last_wal_replay_lsn() >= $1::pg_lsn END
    FROM waiting WHERE NOT replayed AND round < 10
)
SELECT CASE
    WHEN NOT pg_is_in_recovery() THEN 'it is no standby'
    WHEN NOT EXISTS (SELECT FROM waiting WHERE replayed) THEN 'it has not replayed what was acknowledged'
    WHEN NOT EXISTS (SELECT FROM rsvpd_primary WHERE started = $3::timestamptz) THEN 'it does not have the mark of the primary'
    WHEN NOT EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 'it receives nothing'
    ELSE coalesce((
        SELECT CASE WHEN received_tli = ('x' || $2::text)::bit(32)::integer THEN '' ELSE 'it follows another timeline' END
        FROM pg_stat_wal_receiver WHERE received_tli IS NOT NULL
    ), 'its role may not see what it receives: grant pg_read_all_stats to it, on the primary')
END
