-- Gives an entity settings in place of those that it may have. Its counter is locked.
-- $1: entity; $2: capacity; $3: whether there is a waiting list, as 0 or 1; $4, $5: when it opens and closes.
INSERT INTO events AS e (event_id, capacity, waitlist, opens_at, closes_at)
VALUES ($1::text, $2::bigint, $3::bigint > 0, $4::timestamptz, $5::timestamptz)
ON CONFLICT (event_id) DO UPDATE
SET capacity = excluded.capacity, waitlist = excluded.waitlist, opens_at = excluded.opens_at, closes_at = excluded.closes_at
