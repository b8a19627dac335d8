-- The role that `rsvpd relay` connects as: it may read the log by the relay's slot, and no table. For psql, by a superuser:
--   psql -v role=rsvpd_relay -f relay_role.sql postgresql://...
-- `rsvpd relay --create` and `--drop` want the owner of the tables instead, with REPLICATION as well.
\set ON_ERROR_STOP on
\set QUIET on

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role')
\gexec

BEGIN;
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role')
\gexec
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, :'role')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = 'rsvpd_migrations'::regclass
\gexec
COMMIT;
