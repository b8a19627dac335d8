-- Like verify_counters.sql, for events with settings. Checks that their counters are marked, and how many users wait; that
-- nobody waits who is a member, or for an event without settings, or with a ticket that promotion has passed
-- (`passed_ticket`) or that is beyond the last that was given (`last_ticket`); and that nobody waits while a seat is free,
-- except while seats are given in steps (`promoting_at`).
-- Reports more members than seats as well; that is correct after a capacity was lowered.
WITH compared AS (
    SELECT
        coalesce(c.id, e.id, w.id) AS id,
        c.id IS NOT NULL AS managed, e.id IS NOT NULL AS has_settings,
        coalesce(c.count, e.count) AS count, e.capacity, coalesce(w.members, 0) AS members,
        e.is_open AND coalesce(e.capacity > e.count, true) AS has_seats, coalesce(e.capacity - greatest(e.count, 0), w.rows) AS seats,
        coalesce(e.waiting, 0) AS waiting, coalesce(w.rows, 0) AS rows, e.passed_ticket, w.first_ticket,
        e.last_ticket, w.highest_ticket
    FROM (
        SELECT event_id AS id, count
        FROM rsvp_counters
        WHERE managed AND ($1::text IS NULL OR event_id > $1::text) AND ($2::text IS NULL OR event_id <= $2::text)
    ) AS c
    FULL JOIN (
        SELECT
            v.event_id AS id, v.capacity, v.waiting, v.passed_ticket, v.last_ticket, coalesce(k.count, 0) AS count,
            coalesce(statement_timestamp() < v.closes_at, true) AND v.promoting_at IS NULL AS is_open
        FROM events AS v
        LEFT JOIN rsvp_counters AS k ON k.event_id = v.event_id
        WHERE ($1::text IS NULL OR v.event_id > $1::text) AND ($2::text IS NULL OR v.event_id <= $2::text)
    ) AS e ON e.id = c.id
    FULL JOIN (
        SELECT q.event_id AS id, count(*) AS rows, count(m.user_id) AS members, min(q.ticket) AS first_ticket, max(q.ticket) AS highest_ticket
        FROM waitlist AS q
        LEFT JOIN rsvps AS m ON m.event_id = q.event_id AND m.user_id = q.user_id
        WHERE ($1::text IS NULL OR q.event_id > $1::text) AND ($2::text IS NULL OR q.event_id <= $2::text)
        GROUP BY q.event_id
    ) AS w ON w.id = coalesce(c.id, e.id)
)
SELECT NULL AS id, NULL AS what, count(*) AS kept, coalesce(sum(rows), 0)::bigint AS actual FROM compared
UNION ALL
SELECT id, 'managed', managed::integer, has_settings::integer FROM compared WHERE managed <> has_settings
UNION ALL
SELECT id, 'waiting', waiting, rows FROM compared WHERE has_settings AND waiting <> rows
UNION ALL
SELECT id, 'orphans', 0, rows FROM compared WHERE NOT has_settings AND rows > 0
UNION ALL
SELECT id, 'both', 0, members FROM compared WHERE members > 0
UNION ALL
SELECT id, 'passed', passed_ticket, first_ticket FROM compared WHERE first_ticket <= passed_ticket
UNION ALL
SELECT id, 'tickets', last_ticket, highest_ticket FROM compared WHERE highest_ticket > last_ticket
UNION ALL
SELECT id, 'seats', seats, rows FROM compared WHERE has_seats AND rows > 0
UNION ALL
SELECT id, 'capacity', capacity, count FROM compared WHERE count > capacity
