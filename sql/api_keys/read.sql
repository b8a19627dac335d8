-- Reads the keys of services that are in force. Answers the SHA-256, the id, the scopes with blanks between, when the key
-- expires and when it was last used; the last two may be null.
SELECT sha256, id, array_to_string(scopes, ' '), expires_at, last_used_at
FROM api_keys
WHERE revoked_at IS NULL AND coalesce(expires_at > statement_timestamp(), true)
