-- A page of a waiting list, in the order in which its users get seats.
-- $1: entity; $2: the ticket before the page, or 0; $3: how many at most.
SELECT user_id, created_at, ticket
FROM waitlist
WHERE event_id = $1::text AND ticket > $2::bigint
ORDER BY ticket
LIMIT $3::bigint
