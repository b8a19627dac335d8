-- What a user waits for, in the order of the events: erasure of a user, and export.
CREATE INDEX waitlist_by_user ON waitlist (user_id, event_id);
