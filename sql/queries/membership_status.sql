-- Looks up which of the pairs are members, and which are on the waiting list. Answers their positions in the lists, from 1,
-- and whether they wait, as 0 or 1. OFFSET 0 keeps the look-up of the waiting list separate, so members do not pay for it.
-- $1, $2: entities and users.
SELECT i.place, (m.user_id IS NULL)::integer::bigint
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i (id, user_id, place)
LEFT JOIN :members AS m ON m.:id = i.id AND m.user_id = i.user_id
LEFT JOIN LATERAL (
    SELECT q.ticket FROM waitlist AS q
    WHERE m.user_id IS NULL AND q.event_id = i.id AND q.user_id = i.user_id
    OFFSET 0
) AS w ON true
WHERE m.user_id IS NOT NULL OR w.ticket IS NOT NULL
