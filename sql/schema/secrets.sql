-- Reads what all processes on this database share: the key that signs the tokens of listings, and the namespace of the keys
-- in Redis. The namespace includes the number of the database, so a copy made by CREATE DATABASE ... TEMPLATE has another.
SELECT page_token.key, left(encode(sha256(namespace.key || convert_to(oid::text, 'UTF8')), 'hex'), 16)
FROM rsvpd_secrets AS page_token, rsvpd_secrets AS namespace, pg_database
WHERE page_token.name = 'page_token' AND namespace.name = 'redis_namespace' AND datname = current_database()
