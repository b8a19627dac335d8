-- Which migrations have been applied.
CREATE TABLE IF NOT EXISTS rsvpd_migrations (
    number integer NOT NULL PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
