-- Decides over users who want to be in, in the order of their arrival, and answers of each: the verdict (0: in, 1: on the
-- waiting list, 2: full, 3: closed), whether that changed anything, and the place on the waiting list or 0. The counters
-- are locked, and seats that came free have been given to those who waited: a newcomer gets a seat that is left, after
-- all who wait still.
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
), newcomers AS (
    SELECT
        id, user_id, waitlist, waiting, last_ticket, seats, row_number() OVER (PARTITION BY id ORDER BY arrival) AS turn
    FROM standing
    WHERE NOT closed AND NOT is_member AND ticket IS NULL
), judged AS (
    SELECT
        id, user_id, waiting, last_ticket, coalesce(turn - seats, 0) AS behind,
        CASE WHEN coalesce(turn <= seats, true) THEN 0 WHEN waitlist THEN 1 ELSE 2 END AS verdict
    FROM newcomers
), added AS (
    INSERT INTO :members (:id, user_id)
    SELECT id, user_id FROM judged WHERE verdict = 0 ORDER BY id, user_id
    RETURNING :id AS id
), queued AS (
    INSERT INTO waitlist (event_id, ticket, user_id)
    SELECT id, last_ticket + behind, user_id FROM judged WHERE verdict = 1 ORDER BY id, behind
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
), waited AS (
    SELECT w.event_id AS id, w.user_id, row_number() OVER (PARTITION BY w.event_id ORDER BY w.ticket) AS place
    FROM (SELECT id, max(ticket) AS last_ticket FROM standing WHERE ticket IS NOT NULL AND NOT closed GROUP BY id) AS s
    JOIN waitlist AS w ON w.event_id = s.id AND w.ticket <= s.last_ticket
)
SELECT
    s.id, s.user_id,
    CASE WHEN s.closed THEN 3 WHEN s.is_member THEN 0 WHEN s.ticket IS NOT NULL THEN 1 ELSE j.verdict END::bigint,
    (j.verdict IS NOT NULL AND j.verdict < 2)::integer::bigint,
    CASE WHEN s.closed THEN 0 WHEN j.verdict = 1 THEN j.waiting + j.behind ELSE coalesce(p.place, 0) END::bigint
FROM standing AS s
LEFT JOIN judged AS j ON j.id = s.id AND j.user_id = s.user_id
LEFT JOIN waited AS p ON p.id = s.id AND p.user_id = s.user_id
