-- Who is in, and how many: one pair of tables for each relation. Every key begins with the event or post, so
-- that the tables can be distributed by it. Identifiers compare byte by byte.
CREATE TABLE rsvps (
    event_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, user_id)
);

-- `count` is the number of rows of rsvps with this event_id; `version` grows with every change of it. A counter
-- changes far more often than it is made: the free room keeps its updates on their page (HOT).
CREATE TABLE rsvp_counters (
    event_id text COLLATE "C" NOT NULL PRIMARY KEY,
    count bigint NOT NULL,
    version bigint NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE likes (
    post_id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (post_id, user_id)
);

CREATE TABLE like_counters (
    post_id text COLLATE "C" NOT NULL PRIMARY KEY,
    count bigint NOT NULL,
    version bigint NOT NULL
) WITH (fillfactor = 50);
