-- Last in a transaction of writes. If the transaction wrote nothing, its commit would not wait for a synchronous standby.
-- But it may have read a commit that is not replicated yet: a session that was ended while it waited for the standby leaves
-- such a commit. A message in the log makes this commit wait until everything before it is replicated.
SELECT pg_logical_emit_message(true, 'rsvpd', '')
WHERE pg_current_xact_id_if_assigned() IS NULL
