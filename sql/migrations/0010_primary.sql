-- rsvpd_primary says which run of which server took writes last: a mark in the data, by which a replica shows whose changes
-- it has (session/barrier.sql, session/caught_up.sql). One row; it changes with the first barrier after a start or a failover.
CREATE TABLE rsvpd_primary (started timestamptz NOT NULL);
INSERT INTO rsvpd_primary VALUES ('-infinity');
