-- Answers the statement that makes the publication: the tables whose rows say what happened, without counters and keys.
-- $1: its name.
SELECT format('CREATE PUBLICATION %I FOR TABLE rsvps, likes, waitlist, events WITH (publish = ''insert, update, delete'')', $1::text)
