-- Decides over users who want to be in, in the order of their arrival, and answers of each: the verdict (0: in, 1: on the
-- waiting list, 2: full, 3: closed), whether that changed anything, and the place on the waiting list or 0. The counters
-- are locked, and seats that came free have been given to those who waited: a newcomer gets a seat that is left, after
-- all who wait still. Window functions see to it that no two sets of users are joined, and that a waiting list is read once,
-- however many of those who stand on it ask: each counts from the one of them before.
-- $1, $2: entities and users; $3: their order of arrival.
WITH standing AS (
    SELECT
        a.id, a.user_id, a.arrival, e.waitlist, e.waiting, e.last_ticket, w.ticket,
        CASE WHEN e.capacity IS NOT NULL THEN greatest(e.capacity - c.count - e.waiting, 0) END AS seats,
        CASE
            WHEN statement_timestamp() < e.opens_at OR statement_timestamp() >= e.closes_at THEN 3
            WHEN m.user_id IS NOT NULL THEN 0
            WHEN w.ticket IS NOT NULL THEN 1
        END AS known -- the verdict, but for newcomers
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS a (id, user_id, arrival)
    JOIN :counters AS c ON c.:id = a.id
    JOIN events AS e ON e.event_id = a.id
    LEFT JOIN :members AS m ON m.:id = a.id AND m.user_id = a.user_id
    LEFT JOIN waitlist AS w ON w.event_id = a.id AND w.user_id = a.user_id
), in_turn AS (
    SELECT
        id, user_id, waitlist, waiting, last_ticket, seats, known, ticket,
        row_number() OVER (PARTITION BY id, known ORDER BY arrival) AS turn,
        lag(ticket, 1, 0::bigint) OVER (PARTITION BY id, known ORDER BY ticket) AS ticket_before
    FROM standing
), judged AS (
    SELECT
        id, user_id, waiting, last_ticket, known IS NULL AS is_new, coalesce(turn - seats, 0) AS behind,
        CASE
            WHEN known IS NOT NULL THEN known
            WHEN coalesce(turn <= seats, true) THEN 0
            WHEN waitlist THEN 1
            ELSE 2
        END AS verdict,
        sum(CASE WHEN known = 1 THEN (
            SELECT count(*) FROM waitlist AS w WHERE w.event_id = t.id AND w.ticket > t.ticket_before AND w.ticket <= t.ticket
        ) END) OVER (PARTITION BY id, known ORDER BY ticket) AS place
    FROM in_turn AS t
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
    CASE WHEN verdict <> 1 THEN 0 WHEN is_new THEN waiting + behind ELSE place END::bigint
FROM judged
