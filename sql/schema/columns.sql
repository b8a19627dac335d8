-- What of our tables is not as the migrations made it, one line each, for people: a table or a column that is missing, or of another
-- type. Statements are prepared for these types, and their answers read as such.
SELECT format('%s.%s is %s, and must be %s', t.name, t.col, coalesce(
    CASE WHEN c.oid IS NULL OR c.relkind IN ('r', 'p') THEN format_type(a.atttypid, a.atttypmod) ELSE 'no column of a table' END,
    'missing'), t.type)
FROM (VALUES
    ('rsvps', 'event_id', 'text'), ('rsvps', 'user_id', 'text'), ('rsvps', 'created_at', 'timestamptz'),
    ('rsvp_counters', 'event_id', 'text'), ('rsvp_counters', 'count', 'bigint'), ('rsvp_counters', 'version', 'bigint'),
    ('rsvp_counters', 'managed', 'boolean'),
    ('likes', 'post_id', 'text'), ('likes', 'user_id', 'text'), ('likes', 'created_at', 'timestamptz'),
    ('like_counters', 'post_id', 'text'), ('like_counters', 'count', 'bigint'), ('like_counters', 'version', 'bigint'),
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
    ('rsvpd_secrets', 'name', 'text'), ('rsvpd_secrets', 'key', 'bytea')
) AS t (name, col, type)
LEFT JOIN pg_class AS c ON c.oid = to_regclass(t.name)
LEFT JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = t.col AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind NOT IN ('r', 'p') OR a.atttypid IS DISTINCT FROM t.type::regtype
ORDER BY t.name, t.col
