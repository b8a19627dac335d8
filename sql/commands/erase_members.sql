-- The next entities that a user is a member of, in order: as arrays of entities and of the user, as often, first of those
-- without settings, then of those with; and the last of all. NULL for what there is none of. (Counters of likes have no
-- `managed`.)
-- $1: user; $2: the entity before them, or the empty string; $3: how many at most.
SELECT
    array_agg(n.id ORDER BY n.id) FILTER (WHERE NOT n.managed), array_agg($1::text) FILTER (WHERE NOT n.managed),
    array_agg(n.id ORDER BY n.id) FILTER (WHERE n.managed), array_agg($1::text) FILTER (WHERE n.managed),
    max(n.id)
FROM (
    SELECT m.:id AS id, coalesce((to_jsonb(c) ->> 'managed')::boolean, false) AS managed
    FROM :members AS m
    LEFT JOIN :counters AS c ON c.:id = m.:id
    WHERE m.user_id = $1::text AND m.:id > $2::text
    ORDER BY m.:id
    LIMIT $3::bigint
) AS n
