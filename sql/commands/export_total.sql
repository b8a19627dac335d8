-- Counts the rows of an export.
SELECT coalesce(sum(count), 0)::bigint FROM :counters
