-- Whether the table of applied migrations exists.
SELECT to_regclass('rsvpd_migrations') IS NOT NULL
