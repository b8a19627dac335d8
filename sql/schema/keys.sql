-- What our writes need of the tables beside the columns, one line each where it is missing, for people: the unique indexes that
-- ON CONFLICT and the order of locks rely on, and a default of each column that must not be null and that they give no value.
-- $1: the relations' tables of members; $2: of counters; $3: their columns of entities: words with a blank behind each.
WITH relation AS (
    SELECT members, counters, id
    FROM unnest(string_to_array(rtrim($1), ' '), string_to_array(rtrim($2), ' '), string_to_array(rtrim($3), ' ')) AS r (members, counters, id)
)
SELECT format('%s has no unique index on (%s)', k.name, array_to_string(k.cols, ', '))
FROM (
    SELECT w.name, w.cols
    FROM relation AS r
    CROSS JOIN LATERAL (VALUES (r.members, ARRAY[r.id, 'user_id']), (r.counters, ARRAY[r.id])) AS w (name, cols)
    UNION ALL VALUES
    ('events', ARRAY['event_id']), ('waitlist', ARRAY['event_id', 'ticket']), ('waitlist', ARRAY['event_id', 'user_id']),
    ('idempotency_keys', ARRAY['user_id', 'key']), ('rsvpd_secrets', ARRAY['name']),
    ('api_keys', ARRAY['sha256'])
) AS k (name, cols)
WHERE NOT EXISTS (
    SELECT FROM pg_index AS i
    WHERE i.indrelid = to_regclass(k.name) AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
        AND i.indnkeyatts = cardinality(k.cols)
        AND k.cols = (
            SELECT array_agg(a.attname::text ORDER BY o.place)
            FROM unnest(i.indkey) WITH ORDINALITY AS o (number, place)
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = o.number
            WHERE o.place <= i.indnkeyatts
        )
)
UNION ALL
SELECT format('%s.%s must not be null and has no default', g.name, a.attname)
FROM (
    SELECT w.name, w.cols
    FROM relation AS r
    CROSS JOIN LATERAL (VALUES (r.members, ARRAY[r.id, 'user_id']), (r.counters, ARRAY[r.id, 'count', 'version'])) AS w (name, cols)
    UNION ALL VALUES
    ('events', ARRAY['event_id', 'capacity', 'waitlist', 'opens_at', 'closes_at']),
    ('waitlist', ARRAY['event_id', 'ticket', 'user_id']),
    ('idempotency_keys', ARRAY['user_id', 'key', 'action', 'entity_id', 'changed', 'count', 'place', 'place_exact', 'expires_at'])
) AS g (name, cols)
JOIN pg_attribute AS a ON a.attrelid = to_regclass(g.name) AND a.attnum > 0 AND NOT a.attisdropped
WHERE a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND a.attname::text <> ALL (g.cols)
ORDER BY 1
