-- Sent with idempotency keys that are stored: has Citus prepare, at the worker, the writes that the keys are for, before the
-- coordinator commits. It does so once a transaction has changed a table that it knows at two servers. It does not know
-- idempotency_keys: that would cost every look-up of a key a plan of Citus. There is nothing to delete.
DELETE FROM rsvpd_two_phases
