-- Reports how our tables differ from what the migrations made, one line each, for people: a missing table or column, or one
-- of another type. Statements are prepared for these types, and their answers are parsed as such.
-- $1: the relations' tables of members; $2: of counters; $3: their columns of entities: words with a blank behind each.
SELECT format('%s.%s is %s, and must be %s', t.name, t.col, coalesce(
    CASE WHEN c.oid IS NULL OR c.relkind IN ('r', 'p') THEN format_type(a.atttypid, a.atttypmod) ELSE 'no column of a table' END,
    'missing'), t.type)
FROM (
    SELECT w.name, w.col, w.type
    FROM unnest(string_to_array(rtrim($1), ' '), string_to_array(rtrim($2), ' '), string_to_array(rtrim($3), ' ')) AS r (members, counters, id)
    CROSS JOIN LATERAL (VALUES
        (r.members, r.id, 'text'), (r.members, 'user_id', 'text'), (r.members, 'created_at', 'timestamptz'),
        (r.counters, r.id, 'text'), (r.counters, 'count', 'bigint'), (r.counters, 'version', 'bigint')
    ) AS w (name, col, type)
    UNION ALL VALUES
    ('rsvp_counters', 'managed', 'boolean'),
    ('events', 'event_id', 'text'), ('events', 'capacity', 'bigint'), ('events', 'waitlist', 'boolean'),
    ('events', 'opens_at', 'timestamptz'), ('events', 'closes_at', 'timestamptz'), ('events', 'waiting', 'bigint'),
    ('events', 'last_ticket', 'bigint'), ('events', 'passed_ticket', 'bigint'), ('events', 'promoting_at', 'timestamptz'),
    ('events', 'releasing', 'boolean'),
    ('waitlist', 'event_id', 'text'), ('waitlist', 'ticket', 'bigint'), ('waitlist', 'user_id', 'text'),
    ('waitlist', 'created_at', 'timestamptz'),
    ('idempotency_keys', 'user_id', 'text'), ('idempotency_keys', 'key', 'text'), ('idempotency_keys', 'action', 'text'),
    ('idempotency_keys', 'entity_id', 'text'), ('idempotency_keys', 'changed', 'boolean'), ('idempotency_keys', 'count', 'bigint'),
    ('idempotency_keys', 'place', 'bigint'), ('idempotency_keys', 'place_exact', 'boolean'),
    ('idempotency_keys', 'expires_at', 'timestamptz'),
    ('rsvpd_primary', 'started', 'timestamptz'),
    ('rsvpd_secrets', 'name', 'text'), ('rsvpd_secrets', 'key', 'bytea'),
    ('api_keys', 'id', 'bigint'), ('api_keys', 'sha256', 'bytea'), ('api_keys', 'scopes', 'text[]'),
    ('api_keys', 'expires_at', 'timestamptz'), ('api_keys', 'revoked_at', 'timestamptz'),
    ('api_keys', 'last_used_at', 'timestamptz')
) AS t (name, col, type)
LEFT JOIN pg_class AS c ON c.oid = to_regclass(t.name)
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = t.col AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind NOT IN ('r', 'p') OR a.atttypid IS DISTINCT FROM t.type::regtype
ORDER BY t.name, t.col
