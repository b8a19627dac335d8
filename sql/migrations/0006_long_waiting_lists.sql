-- What keeps the work on a waiting list small however long the list is. `passed_ticket` is below every ticket that waits: the list is
-- looked at from there on. Seats are given to many in steps, each a transaction of its own: `promoting_at` is when the last
-- one was made that left free seats to those who wait; null where there are none. `releasing`: the settings have been taken
-- away, and the row goes with the last who waits.
ALTER TABLE events
    ADD COLUMN passed_ticket bigint NOT NULL DEFAULT 0,
    ADD COLUMN promoting_at timestamptz,
    ADD COLUMN releasing boolean NOT NULL DEFAULT false;
CREATE INDEX events_promoting ON events (promoting_at) WHERE promoting_at IS NOT NULL;

UPDATE events AS e
SET passed_ticket = w.ticket - 1
FROM events AS o
CROSS JOIN LATERAL (
    SELECT q.ticket FROM waitlist AS q WHERE q.event_id = o.event_id ORDER BY q.ticket LIMIT 1
) AS w
WHERE o.event_id = e.event_id AND e.waiting > 0;

-- Whether `place` is exact: it may be a lower bound.
ALTER TABLE idempotency_keys ADD COLUMN place_exact boolean NOT NULL DEFAULT true;
