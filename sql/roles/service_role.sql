-- The role that `rsvpd serve` connects as, with no more rights than it needs: it reads and writes rows, and can neither change
-- tables nor make API keys. For psql, by a superuser or by the owner of the tables (who may create roles, or finds it there):
--   psql -v role=rsvpd -f service_role.sql postgresql://...
-- Run it after `rsvpd migrate`, also after each release. It takes rights on these tables away that it does not name.
\set ON_ERROR_STOP on
\set QUIET on

SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE', :'role')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role')
\gexec

BEGIN;
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role')
\gexec
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', n.nspname, :'role')
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid = 'rsvpd_migrations'::regclass
\gexec

REVOKE ALL ON rsvps, rsvp_counters, likes, like_counters, events, waitlist, idempotency_keys, api_keys, rsvpd_secrets,
    rsvpd_primary, rsvpd_migrations FROM :"role";

GRANT SELECT, INSERT, DELETE ON rsvps, likes, waitlist TO :"role";
-- Counters are never deleted, so that a version never comes again.
GRANT SELECT, INSERT, UPDATE (count, version, managed) ON rsvp_counters TO :"role";
GRANT SELECT, INSERT, UPDATE (count, version) ON like_counters TO :"role";
GRANT SELECT, INSERT, UPDATE, DELETE ON events TO :"role";
-- A kept answer is never changed: the right to change one column is what locking a row wants.
GRANT SELECT, INSERT, DELETE, UPDATE (expires_at) ON idempotency_keys TO :"role";
GRANT SELECT (id, sha256, scopes, expires_at, revoked_at, last_used_at), UPDATE (last_used_at) ON api_keys TO :"role";
GRANT SELECT ON rsvpd_secrets, rsvpd_migrations TO :"role";
GRANT SELECT, UPDATE ON rsvpd_primary TO :"role";
-- What distributed/citus.sql has made.
SELECT format('GRANT DELETE ON rsvpd_two_phases TO %I', :'role')
WHERE to_regclass('rsvpd_two_phases') IS NOT NULL
\gexec
SELECT format('GRANT EXECUTE ON FUNCTION rsvpd_hold_shards(bigint[]) TO %I', :'role')
WHERE to_regprocedure('rsvpd_hold_shards(bigint[])') IS NOT NULL
\gexec
COMMIT;
