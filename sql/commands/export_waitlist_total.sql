-- Counts the rows of an export of waiting lists, as far as `waiting` is right: whatever stands there, that is no reason to
-- fail.
SELECT least(greatest(coalesce(sum(waiting), 0), 0), 9223372036854775807)::bigint FROM events
