-- Lists the applied migrations, in order.
SELECT number FROM rsvpd_migrations ORDER BY number
