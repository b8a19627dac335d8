-- The first answers to writes that carried an Idempotency-Key, kept in the transactions of those writes. A key is its
-- user's own. `action` and `entity_id` are what was asked; the rest is what was answered: `place` on the waiting list,
-- 0 where the user did not come to stand on it.
CREATE TABLE idempotency_keys (
    user_id text COLLATE "C" NOT NULL,
    key text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    entity_id text COLLATE "C" NOT NULL,
    changed boolean NOT NULL,
    count bigint NOT NULL,
    place bigint NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
