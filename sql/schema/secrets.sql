-- Reads what all processes on this database share: the key that signs the tokens of listings, and the namespace of the keys
-- in Redis. The namespace includes the identifier of the cluster and the number of the database, so copies made by pg_dump
-- or by CREATE DATABASE ... TEMPLATE have others. A physical copy of the cluster has the same.
SELECT page_token.key, left(encode(sha256(namespace.key || convert_to(format('%s.%s', system_identifier, pg_database.oid), 'UTF8')), 'hex'), 16)
FROM rsvpd_secrets AS page_token, rsvpd_secrets AS namespace, pg_database, pg_control_system()
WHERE page_token.name = 'page_token' AND namespace.name = 'redis_namespace' AND datname = current_database()
