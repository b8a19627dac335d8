-- Reads an entity's settings, how many users wait, its count like read_counts.sql, whether it has settings, and whether
-- seats are still to be given to users who wait, both as 0 or 1. Settings that are being cleared count as none.
-- $1: entity.
SELECT e.capacity, coalesce(e.waitlist, false)::integer::bigint, e.opens_at, e.closes_at, coalesce(e.waiting, 0),
    c.count, c.version, statement_timestamp(), coalesce(NOT e.releasing, false)::integer::bigint,
    (e.promoting_at IS NOT NULL)::integer::bigint
FROM :counters AS c
LEFT JOIN events AS e ON e.event_id = c.:id
WHERE c.:id = $1::text
