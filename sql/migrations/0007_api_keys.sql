-- The keys of services. A key is known by its SHA-256 alone: who reads this table cannot use one. `scopes` are as they were
-- given, each includes those before it in rsvp:read, rsvp:write, rsvp:admin. `last_used_at` is cut to the hour, so a key costs
-- one write an hour at most. A key that was revoked stays, to tell whose it was.
CREATE TABLE api_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    sha256 bytea NOT NULL UNIQUE CHECK (octet_length(sha256) = 32),
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    last_used_at timestamptz
);
