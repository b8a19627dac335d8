-- Counts the rows of an export, as far as the counters are right: whatever stands in them, that is no reason to fail.
SELECT least(greatest(coalesce(sum(count), 0), 0), 9223372036854775807)::bigint FROM :counters
