-- $1: the slot's name. Up to PostgreSQL 16.
SELECT lsn FROM pg_create_logical_replication_slot($1::text, 'pgoutput')
