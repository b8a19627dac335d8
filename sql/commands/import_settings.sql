-- Stores settings for the events of a chunk, replacing any that they have, like queries/store_settings.sql. Of several lines
-- of an event the last counts. The counters are locked. Answers like import_apply.sql: how many events had none.
WITH line AS (
    SELECT DISTINCT ON (id) id, capacity, waitlist, opens_at, closes_at
    FROM pg_temp.import_rows
    ORDER BY id, place DESC
), known AS (
    SELECT e.event_id FROM events AS e JOIN line AS l ON l.id = e.event_id
), configured AS (
    INSERT INTO events AS e (event_id, capacity, waitlist, opens_at, closes_at)
    SELECT id, capacity, waitlist, opens_at, closes_at FROM line
    ON CONFLICT (event_id) DO UPDATE
    SET
        capacity = excluded.capacity, waitlist = excluded.waitlist, opens_at = excluded.opens_at, closes_at = excluded.closes_at,
        releasing = false
)
SELECT NULL::integer AS place, (SELECT count(*) FROM line) - (SELECT count(*) FROM known) AS added
