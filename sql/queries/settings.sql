-- An entity's settings, how many wait, and its count as counted.sql gives it.
-- $1: entity.
SELECT e.capacity, coalesce(e.waitlist, false)::integer::bigint, e.opens_at, e.closes_at, coalesce(e.waiting, 0),
    c.count, c.version, statement_timestamp(), (e.event_id IS NOT NULL)::integer::bigint
FROM :counters AS c
LEFT JOIN events AS e ON e.event_id = c.:id
WHERE c.:id = $1::text
