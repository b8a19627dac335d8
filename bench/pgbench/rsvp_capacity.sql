-- One RSVP by a new user to the one hot event, which has a capacity: the event's row is locked first, so that nobody
-- else can take the last seat after the count was seen. See rsvp_spread.sql for the rest.
\set n :n + 1
\set user 10000000000000 + :client_id * 100000000000 + :n
BEGIN;
SELECT capacity FROM events WHERE event_id = 'hot' FOR UPDATE \gset
WITH added AS (
    INSERT INTO rsvps (event_id, user_id)
    SELECT 'hot', :user::text WHERE (SELECT count FROM rsvp_counters WHERE event_id = 'hot') < :capacity
    ON CONFLICT DO NOTHING RETURNING event_id
)
INSERT INTO rsvp_counters AS c (event_id, count, version) SELECT event_id, 1, 1 FROM added
ON CONFLICT (event_id) DO UPDATE SET count = c.count + 1, version = c.version + 1 RETURNING count;
COMMIT;
