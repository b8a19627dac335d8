-- Estimates the number of members; -1 or 0 if PostgreSQL does not know.
SELECT reltuples::bigint FROM pg_class WHERE oid = ':members'::regclass
