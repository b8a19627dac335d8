-- Whether this session reads everything that was ever acknowledged: it is on the primary, or on a standby that has replayed
-- everything it received. $1: whether there are other hosts, one of which may be the primary of this standby and take writes:
-- then the standby must not be receiving. A server that has received nothing replays an archive or what it has: it is behind.
SELECT NOT pg_is_in_recovery() OR (
    coalesce(pg_last_wal_replay_lsn() >= pg_last_wal_receive_lsn(), false)
    AND NOT ($1::boolean AND EXISTS (SELECT FROM pg_stat_wal_receiver)))
