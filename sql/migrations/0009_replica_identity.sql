-- What a row that goes or changes leaves in the log for logical decoding, where wal_level says so (`rsvpd relay`): of who waits,
-- who it was, which the primary key does not say; of settings, what they were before, since most updates of these rows
-- change no settings. With another wal_level this changes nothing.
ALTER TABLE waitlist REPLICA IDENTITY USING INDEX waitlist_event_id_user_id_key;
ALTER TABLE events REPLICA IDENTITY FULL;
