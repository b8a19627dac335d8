-- Stores a key of a service, unless as many are in force as a process holds. Answers its id, or no row. Several that run at
-- once may each store one more than that: it is in force like the others, so it does no harm.
-- $1: its name; $2: the SHA-256 in hexadecimal; $3: its scopes, separated by commas; $4: when it expires, in microseconds
-- since the Unix epoch, or null; $5: how many may be in force.
INSERT INTO api_keys (name, sha256, scopes, expires_at)
SELECT $1, decode($2, 'hex'), string_to_array($3, ','), 'epoch'::timestamptz + $4::bigint * interval '1 microsecond'
WHERE (
    SELECT count(*) FROM api_keys
    WHERE revoked_at IS NULL AND coalesce(expires_at > statement_timestamp(), true)
) < $5::bigint
RETURNING id
