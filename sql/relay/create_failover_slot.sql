-- The slot is synchronised to standbys that ask for it (sync_replication_slots), so it is there after a failover. From PostgreSQL
-- 17 on. $1: the slot's name.
SELECT lsn FROM pg_create_logical_replication_slot($1::text, 'pgoutput', failover => true)
