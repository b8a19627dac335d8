-- Decides which users become members, in the order of their arrival. Answers for each user: the verdict (0: member,
-- 1: on the waiting list, 2: full, 3: closed), whether anything changed, the position on the waiting list or 0, and whether
-- the position is exact or a lower bound. The counters are locked. A newcomer gets a seat only if one is left after all who
-- wait. While a promotion goes on in steps, newcomers wait behind the others, even without a waiting list.
--
-- A ticket gives two bounds of a position: one holds if nobody behind has left the list, the other if nobody in front has.
-- Mostly they are equal, and nothing is counted. Otherwise up to 10,000 positions are counted from the front; further back
-- the answer is the lower bound. Window functions avoid a join of two sets of users, and read a waiting list once for all
-- users of the batch: each counts from the one before.
--
-- Where the counter says that there are settings and somebody has deleted them, nothing limits the entity: whoever asks gets
-- a seat, and none is left without a verdict.
-- $1, $2: entities and users; $3: their order of arrival.
WITH asked AS (
    SELECT
        a.id, a.user_id, a.arrival, e.waitlist, coalesce(e.waiting, 0) AS waiting, e.last_ticket, e.passed_ticket, w.ticket,
        e.waiting - (e.last_ticket - w.ticket) AS place_min, w.ticket - e.passed_ticket AS place_max,
        CASE WHEN e.capacity IS NOT NULL THEN greatest(e.capacity - c.count - e.waiting, 0) END AS seats,
        CASE
            WHEN statement_timestamp() < e.opens_at OR statement_timestamp() >= e.closes_at THEN 3
            WHEN m.user_id IS NOT NULL THEN 0
            WHEN w.ticket IS NOT NULL AND e.event_id IS NOT NULL THEN 1
        END AS known -- the verdict, NULL for newcomers
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS a (id, user_id, arrival)
    JOIN :counters AS c ON c.:id = a.id
    LEFT JOIN events AS e ON e.event_id = a.id
    LEFT JOIN :members AS m ON m.:id = a.id AND m.user_id = a.user_id
    LEFT JOIN waitlist AS w ON w.event_id = a.id AND w.user_id = a.user_id
), asking AS (
    SELECT *, known IS NOT DISTINCT FROM 1 AND place_min < least(place_max, 10001) AS counts
    FROM asked
), in_order AS (
    SELECT
        id, user_id, waitlist, waiting, last_ticket, seats, known, place_min, place_max,
        row_number() OVER (PARTITION BY id, known ORDER BY arrival) AS rank
    FROM asking
    WHERE NOT counts
), judged AS (
    SELECT
        id, user_id, waiting, last_ticket, place_min, known IS NULL AS is_new, coalesce(place_min < place_max, false) AS is_further,
        rank - CASE WHEN waiting > 0 THEN 0 ELSE coalesce(seats, 0) END AS behind,
        CASE
            WHEN known IS NOT NULL THEN known
            WHEN waiting = 0 AND coalesce(rank <= seats, true) THEN 0
            WHEN waitlist OR coalesce(rank <= seats, true) THEN 1
            ELSE 2
        END AS verdict
    FROM in_order
), ranked AS (
    SELECT
        id, user_id, ticket, passed_ticket,
        row_number() OVER (PARTITION BY id ORDER BY ticket) AS ask,
        lag(ticket, 1, passed_ticket) OVER (PARTITION BY id ORDER BY ticket) AS ticket_before,
        max(place_max) OVER (PARTITION BY id) AS furthest
    FROM asking
    WHERE counts
), bounded AS (
    SELECT
        id, user_id, ticket, ticket_before,
        max(CASE WHEN ask = 1 AND furthest > 10000 THEN (
            SELECT w.ticket FROM waitlist AS w WHERE w.event_id = r.id AND w.ticket > r.passed_ticket ORDER BY w.ticket OFFSET 10000 LIMIT 1
        ) END) OVER (PARTITION BY id) AS edge -- positions from this ticket on are not counted
    FROM ranked AS r
), placed AS (
    SELECT
        id, user_id, coalesce(ticket >= edge, false) AS is_further,
        sum(CASE WHEN coalesce(ticket < edge, true) THEN (
            SELECT count(*) FROM waitlist AS w WHERE w.event_id = b.id AND w.ticket > b.ticket_before AND w.ticket <= b.ticket
        ) END) OVER (PARTITION BY id ORDER BY ticket) AS place
    FROM bounded AS b
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
    SET
        waiting = e.waiting + q.users, last_ticket = e.last_ticket + q.users,
        passed_ticket = CASE WHEN e.waiting > 0 THEN e.passed_ticket ELSE e.last_ticket END
    FROM (SELECT id, count(*) AS users FROM queued GROUP BY id) AS q
    WHERE e.event_id = q.id
)
SELECT
    id, user_id, verdict::bigint, (is_new AND verdict < 2)::integer::bigint,
    CASE WHEN verdict <> 1 THEN 0 WHEN is_new THEN waiting + behind ELSE place_min END::bigint,
    (NOT is_further)::integer::bigint
FROM judged
UNION ALL
SELECT id, user_id, 1, 0, CASE WHEN is_further THEN 10001 ELSE place END::bigint, (NOT is_further)::integer::bigint FROM placed
