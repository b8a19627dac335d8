-- Whether what this session reads holds all that was ever acknowledged: it is the primary's, or a standby's that has replayed all it
-- received. $1: whether other hosts are there, of which one may be this one's primary and take writes: then it must not be receiving.
SELECT NOT pg_is_in_recovery() OR (
    coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), true)
    AND NOT ($1::boolean AND EXISTS (SELECT FROM pg_stat_wal_receiver)))
