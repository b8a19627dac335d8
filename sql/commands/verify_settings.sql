-- As verify_counters.sql, for what events with settings keep: that their counters say that they have some, and how
-- many wait. That more are going than there are seats is told too; it is right where a capacity was lowered.
WITH compared AS (
    SELECT
        coalesce(c.id, e.id, w.id) AS id,
        c.id IS NOT NULL AS managed, e.id IS NOT NULL AS has_settings,
        c.count, e.capacity,
        coalesce(e.waiting, 0) AS waiting, coalesce(w.rows, 0) AS rows
    FROM (
        SELECT event_id AS id, count
        FROM rsvp_counters
        WHERE managed AND ($1::text IS NULL OR event_id > $1::text) AND ($2::text IS NULL OR event_id <= $2::text)
    ) AS c
    FULL JOIN (
        SELECT event_id AS id, capacity, waiting
        FROM events
        WHERE ($1::text IS NULL OR event_id > $1::text) AND ($2::text IS NULL OR event_id <= $2::text)
    ) AS e ON e.id = c.id
    FULL JOIN (
        SELECT event_id AS id, count(*) AS rows
        FROM waitlist
        WHERE ($1::text IS NULL OR event_id > $1::text) AND ($2::text IS NULL OR event_id <= $2::text)
        GROUP BY event_id
    ) AS w ON w.id = coalesce(c.id, e.id)
)
SELECT NULL AS id, NULL AS what, count(*) AS kept, coalesce(sum(rows), 0)::bigint AS actual FROM compared
UNION ALL
SELECT id, 'managed', managed::integer, has_settings::integer FROM compared WHERE managed <> has_settings
UNION ALL
SELECT id, 'waiting', waiting, rows FROM compared WHERE waiting <> rows
UNION ALL
SELECT id, 'capacity', capacity, count FROM compared WHERE count > capacity
