-- A user's own RSVPs and likes in the order of their events and posts: listings, and erasure of a user.
CREATE INDEX rsvps_by_user ON rsvps (user_id, event_id);
CREATE INDEX likes_by_user ON likes (user_id, post_id);

-- Random keys that all processes on this database share. page_token signs the tokens of listings.
CREATE TABLE rsvpd_secrets (
    name text NOT NULL PRIMARY KEY,
    key bytea NOT NULL CHECK (length(key) = 32)
);
INSERT INTO rsvpd_secrets (name, key)
VALUES ('page_token', sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')));
