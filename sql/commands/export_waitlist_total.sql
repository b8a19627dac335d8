-- Counts the rows of an export of waiting lists.
SELECT coalesce(sum(waiting), 0)::bigint FROM events
