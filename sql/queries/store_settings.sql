-- Stores an entity's settings, replacing any that it has. Its counter is locked.
-- $1: entity; $2: capacity; $3: whether there is a waiting list, as 0 or 1; $4, $5: when it opens and closes; $6: whether
-- the settings are removed as soon as nobody waits, as 0 or 1.
INSERT INTO events AS e (event_id, capacity, waitlist, opens_at, closes_at, releasing)
VALUES ($1::text, $2::bigint, $3::bigint > 0, $4::timestamptz, $5::timestamptz, $6::bigint > 0)
ON CONFLICT (event_id) DO UPDATE
SET
    capacity = excluded.capacity, waitlist = excluded.waitlist, opens_at = excluded.opens_at, closes_at = excluded.closes_at,
    releasing = excluded.releasing
