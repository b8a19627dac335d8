-- redis_namespace tells the keys of this database in a Redis apart from those of others (schema/secrets.sql).
INSERT INTO rsvpd_secrets (name, key)
VALUES ('redis_namespace', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
