-- The counts of entities: for each its place in the list, counted from 1, the count, its version (both 0 where there
-- was never a member), and the moment at which it was read.
-- $1: entities.
SELECT i.place, coalesce(c.count, 0), coalesce(c.version, 0), clock_timestamp()
FROM unnest($1::text[]) WITH ORDINALITY AS i (id, place)
LEFT JOIN :counters AS c ON c.:id = i.id
