-- A random key that all processes on this database share. $1: its name.
SELECT key FROM rsvpd_secrets WHERE name = $1
