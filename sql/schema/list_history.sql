-- The migrations that have been applied, in order.
SELECT number FROM rsvpd_migrations ORDER BY number
