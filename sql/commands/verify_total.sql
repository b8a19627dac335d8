-- About how many members there are; -1 or 0 where PostgreSQL does not know.
SELECT reltuples::bigint FROM pg_class WHERE oid = ':members'::regclass
