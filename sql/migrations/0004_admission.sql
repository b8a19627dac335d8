-- Capacity, waiting list and windows of the events that have such settings. Whoever changes one of these rows, the
-- waiting list or the RSVPs of such an event holds the event's row of rsvp_counters locked from before it looks.
-- `waiting` is the number of rows of waitlist with this event_id, last_ticket the last number that one of them got.
CREATE TABLE events (
    event_id text COLLATE "C" NOT NULL PRIMARY KEY,
    capacity bigint CHECK (capacity >= 0),
    waitlist boolean NOT NULL,
    opens_at timestamptz,
    closes_at timestamptz,
    waiting bigint NOT NULL DEFAULT 0 CHECK (waiting >= 0),
    last_ticket bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- Who waits for a seat: the lower the ticket, the longer.
CREATE TABLE waitlist (
    event_id text COLLATE "C" NOT NULL,
    ticket bigint NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, ticket),
    UNIQUE (event_id, user_id)
);

-- Whether the event has a row in events: every write sees it in the row that it reads anyway.
ALTER TABLE rsvp_counters ADD COLUMN managed boolean NOT NULL DEFAULT false;
