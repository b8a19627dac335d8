-- Fails with a division by zero unless an entity's settings meet the precondition of a request. The counter is locked. The
-- tag is computed as in src/http/precondition.c, with times as pg_codec decodes them.
-- $1: entity; $2: the settings must have one of these tags, '*' for any; $3: the settings must have none of these; NULL
-- for a list that is not given.
SELECT 1 / (
    ($2::text[] IS NULL OR s.tag = ANY ($2::text[]) OR (s.given AND '*' = ANY ($2::text[])))
    AND ($3::text[] IS NULL OR NOT (s.tag = ANY ($3::text[]) OR (s.given AND '*' = ANY ($3::text[]))))
)::integer::bigint
FROM (
    SELECT e.event_id IS NOT NULL AS given, CASE WHEN e.event_id IS NULL THEN 'none' ELSE concat(
        e.capacity, '.', e.waitlist::integer,
        '.', (extract(epoch FROM CASE WHEN e.opens_at IS NOT NULL THEN least(greatest(e.opens_at, 'epoch'), '9999-12-31 23:59:59.999999+00') END) * 1000000)::bigint,
        '.', (extract(epoch FROM CASE WHEN e.closes_at IS NOT NULL THEN least(greatest(e.closes_at, 'epoch'), '9999-12-31 23:59:59.999999+00') END) * 1000000)::bigint
    ) END AS tag
    FROM unnest(ARRAY[$1::text]) AS a (id)
    LEFT JOIN events AS e ON e.event_id = a.id AND NOT e.releasing -- settings that are being cleared count as none
) AS s
