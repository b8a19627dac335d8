-- What `rsvpd relay` needs to know before it begins, in one row: the server's settings, and publication and slot of that name.
-- `behind` is how many bytes of the log the slot has not been told are safe.
-- `schema` is where the tables are that the service finds. $1: the name of both.
SELECT
    current_setting('wal_level') AS wal_level,
    current_setting('max_slot_wal_keep_size') AS keep_size,
    EXISTS (SELECT FROM pg_publication WHERE pubname = $1::text) AS published,
    s.slot_name IS NOT NULL AS has_slot,
    s.plugin = 'pgoutput' AND s.database = current_database() AS fits,
    s.wal_status,
    s.confirmed_flush_lsn,
    pg_wal_lsn_diff(pg_current_wal_lsn(), s.confirmed_flush_lsn)::bigint AS behind,
    (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_sender_timeout') AS sender_timeout_ms,
    s.active,
    (SELECT relreplident IN ('i', 'f') FROM pg_class WHERE oid = to_regclass('waitlist')) AS migrated,
    (SELECT n.nspname
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass('waitlist')) AS schema
FROM (VALUES ($1::text)) AS wanted (name)
LEFT JOIN pg_replication_slots AS s ON s.slot_name = wanted.name
