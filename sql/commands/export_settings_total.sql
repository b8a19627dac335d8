-- How many rows an export of settings has.
SELECT count(*) FROM events
