-- Records an applied migration. $1: its number; $2: its name.
INSERT INTO rsvpd_migrations (number, name) VALUES ($1::integer, $2)
