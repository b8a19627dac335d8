-- Creates the table of applied migrations.
CREATE TABLE IF NOT EXISTS rsvpd_migrations (
    number integer NOT NULL PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
