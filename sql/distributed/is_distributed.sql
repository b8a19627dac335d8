-- Whether citus.sql has distributed the tables.
SELECT to_regprocedure('rsvpd_at_shards(text, bigint[], text, text, text[], text[])') IS NOT NULL
