-- Adds the lines of a chunk; of equal lines the first. Takes locks in the order of queries/write.sql: rows first, sorted by
-- entity and user, then counters, sorted. Answers how many were added, with NULL for a place, and then the places of refused
-- lines: additions to events with settings. `managed` is read from counters that are locked by then, and a transaction that
-- stores settings locks them, so no settings can come in between. (Counters of likes have no `managed`.)
WITH added AS (
    INSERT INTO :members (:id, user_id, created_at)
    SELECT r.id, r.user_id, coalesce(r.created_at, now())
    FROM pg_temp.import_rows AS r
    ORDER BY r.id, r.user_id, r.place
    ON CONFLICT DO NOTHING
    RETURNING :id AS id, user_id
), counted AS (
    INSERT INTO :counters AS c (:id, count, version)
    SELECT id, count(*), 1
    FROM added
    GROUP BY id
    ORDER BY id
    ON CONFLICT (:id) DO UPDATE
    SET count = c.count + excluded.count, version = c.version + 1
    RETURNING c.:id AS id, coalesce((to_jsonb(c) ->> 'managed')::boolean, false) AS managed
), refused AS (
    SELECT r.place
    FROM counted AS c
    JOIN added AS a ON a.id = c.id
    JOIN pg_temp.import_rows AS r ON r.id = a.id AND r.user_id = a.user_id
    WHERE c.managed
)
SELECT NULL::integer AS place, count(*) AS added FROM added
UNION ALL
SELECT place, NULL FROM refused
