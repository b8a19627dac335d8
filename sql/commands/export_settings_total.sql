-- Counts the rows of an export of settings.
SELECT count(*) FROM events
