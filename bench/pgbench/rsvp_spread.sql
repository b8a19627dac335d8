-- One RSVP by a new user to one of 1,000 events: the insert, and the counter by what changed, as one statement, which
-- is one transaction and one round trip. No user occurs twice: each client counts up from a start of its own.
\set n :n + 1
\set user 10000000000000 + :client_id * 100000000000 + :n
\set event random(0, 999)
WITH added AS (
    INSERT INTO rsvps (event_id, user_id) VALUES (:event, :user) ON CONFLICT DO NOTHING RETURNING event_id
)
INSERT INTO rsvp_counters AS c (event_id, count, version) SELECT event_id, 1, 1 FROM added
ON CONFLICT (event_id) DO UPDATE SET count = c.count + 1, version = c.version + 1 RETURNING count;
