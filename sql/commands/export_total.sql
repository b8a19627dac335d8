-- How many rows an export has.
SELECT coalesce(sum(count), 0)::bigint FROM :counters
