-- Notes when keys of services were used. Leaves out those that another process is writing to: it notes the same hour, and the
-- next reading tells. So nobody waits.
-- $1: ids; $2: when each was used, in microseconds since the Unix epoch.
WITH used AS (
    SELECT k.id, 'epoch'::timestamptz + u.used_us * interval '1 microsecond' AS used_at
    FROM unnest($1::bigint[], $2::bigint[]) AS u (id, used_us)
    JOIN api_keys AS k ON k.id = u.id
    FOR NO KEY UPDATE OF k SKIP LOCKED
)
UPDATE api_keys AS k
SET last_used_at = used.used_at
FROM used
WHERE k.id = used.id AND coalesce(k.last_used_at < used.used_at, true)
