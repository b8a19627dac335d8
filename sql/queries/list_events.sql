-- A page of the entities that have settings, in order: the settings, how many users wait, and the count, as in settings.sql.
-- $1: the entity before the page, or the empty string; $2: how many at most.
SELECT e.event_id, e.capacity, e.waitlist::integer::bigint, e.opens_at, e.closes_at, e.waiting, coalesce(c.count, 0)
FROM events AS e
LEFT JOIN :counters AS c ON c.:id = e.event_id
WHERE e.event_id > $1::text AND NOT e.releasing
ORDER BY e.event_id
LIMIT $2::bigint
