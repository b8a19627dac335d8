-- Whether the table of migrations exists.
SELECT to_regclass('rsvpd_migrations') IS NOT NULL
