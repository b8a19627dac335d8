-- Last in a transaction of writes: one that found everything done already has written nothing, and its commit would wait for nobody. But what
-- it found may be a commit that is not yet where it is safe: a synchronous standby can be behind with what a session wrote that was
-- ended while it waited for that. A message in the log makes this commit wait until all before it is safe, too.
SELECT pg_logical_emit_message(true, 'rsvpd', '')
WHERE pg_current_xact_id_if_assigned() IS NULL
