-- How many rows an export of the waiting lists has.
SELECT coalesce(sum(waiting), 0)::bigint FROM events
