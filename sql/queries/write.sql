-- Applies a batch of writes and answers which of them changed anything.
-- $1, $2: entities and users to add; $3, $4: entities and users to remove. No pair occurs twice. Both lists are sorted by
-- entity and user, so batches of several connections take their locks in one order: first the placeholders
-- (insert_placeholders.sql), then all additions, all removals, and the counters. Counters change by what really changed.
WITH added AS (
    INSERT INTO :members (:id, user_id)
    SELECT a.id, a.user_id
    FROM unnest($1::text[], $2::text[]) AS a (id, user_id)
    ON CONFLICT DO NOTHING
    RETURNING :id AS id, user_id
), removed AS (
    DELETE FROM :members AS m
    USING unnest($3::text[], $4::text[]) AS r (id, user_id)
    WHERE m.:id = r.id AND m.user_id = r.user_id
    RETURNING m.:id AS id, m.user_id AS user_id, m.created_at AS created_at
), changed AS (
    SELECT id, user_id, 1 AS step FROM added
    UNION ALL
    SELECT id, user_id, -1 AS step FROM removed
    WHERE created_at <> '4714-11-24 00:00:00+00 BC' -- a placeholder was never a member
), counted AS (
    INSERT INTO :counters AS c (:id, count, version)
    SELECT id, sum(step), 1
    FROM changed
    GROUP BY id
    ORDER BY id
    ON CONFLICT (:id) DO UPDATE
    SET count = c.count + excluded.count, version = c.version + 1
)
SELECT id, user_id FROM changed
