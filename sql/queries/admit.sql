-- Decides over users who want to be in, in the order of their arrival, and answers of each: the verdict (0: in, 1: on the
-- waiting list, 2: full, 3: closed), whether that changed anything, and the place on the waiting list or 0. The counters
-- are locked, and seats that came free have been given to those who waited: a newcomer gets a seat that is left, after
-- all who wait still. Places of those who waited already are found among the sorted tickets of their event.
-- $1, $2: entities and users; $3: their order of arrival.
WITH standing AS (
    SELECT
        a.id, a.user_id, a.arrival, e.waitlist, e.waiting, e.last_ticket,
        CASE WHEN e.capacity IS NOT NULL THEN greatest(e.capacity - c.count - e.waiting, 0) END AS seats,
        m.user_id IS NOT NULL AS is_member, w.ticket,
        coalesce(statement_timestamp() < e.opens_at, false) OR coalesce(statement_timestamp() >= e.closes_at, false) AS closed
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS a (id, user_id, arrival)
    JOIN :counters AS c ON c.:id = a.id
    JOIN events AS e ON e.event_id = a.id
    LEFT JOIN :members AS m ON m.:id = a.id AND m.user_id = a.user_id
    LEFT JOIN waitlist AS w ON w.event_id = a.id AND w.user_id = a.user_id
), numbered AS (
    SELECT
        *, NOT closed AND NOT is_member AND ticket IS NULL AS is_new,
        row_number() OVER (PARTITION BY id, closed OR is_member OR ticket IS NOT NULL ORDER BY arrival) AS turn
    FROM standing
), judged AS (
    SELECT
        id, user_id, ticket, is_new, waiting, last_ticket, turn - seats AS behind,
        CASE
            WHEN closed THEN 3
            WHEN is_member THEN 0
            WHEN ticket IS NOT NULL THEN 1
            WHEN coalesce(turn <= seats, true) THEN 0
            WHEN waitlist THEN 1
            ELSE 2
        END AS verdict
    FROM numbered
), added AS (
    INSERT INTO :members (:id, user_id)
    SELECT id, user_id FROM judged WHERE is_new AND verdict = 0 ORDER BY id, user_id
    RETURNING :id AS id
), queued AS (
    INSERT INTO waitlist (event_id, ticket, user_id)
    SELECT id, last_ticket + behind, user_id FROM judged WHERE is_new AND verdict = 1 ORDER BY id, behind
    RETURNING event_id AS id
), counted AS (
    UPDATE :counters AS c
    SET count = c.count + a.members, version = c.version + 1
    FROM (SELECT id, count(*) AS members FROM added GROUP BY id) AS a
    WHERE c.:id = a.id
), lengthened AS (
    UPDATE events AS e
    SET waiting = e.waiting + q.users, last_ticket = e.last_ticket + q.users
    FROM (SELECT id, count(*) AS users FROM queued GROUP BY id) AS q
    WHERE e.event_id = q.id
)
SELECT
    id, user_id, verdict::bigint, (is_new AND verdict < 2)::integer::bigint,
    CASE WHEN is_new AND verdict = 1 THEN waiting + behind ELSE 0 END
FROM judged
WHERE is_new OR verdict <> 1
UNION ALL
SELECT s.id, u.user_id, 1, 0, width_bucket(u.ticket, q.tickets)
FROM (
    SELECT id, max(ticket) AS last_ticket, array_agg(user_id) AS users, array_agg(ticket) AS tickets
    FROM judged
    WHERE verdict = 1 AND NOT is_new
    GROUP BY id
) AS s
CROSS JOIN LATERAL (
    SELECT array_agg(w.ticket) AS tickets
    FROM (SELECT ticket FROM waitlist WHERE event_id = s.id AND ticket <= s.last_ticket ORDER BY ticket) AS w
) AS q
CROSS JOIN LATERAL unnest(s.users, s.tickets) AS u (user_id, ticket)
