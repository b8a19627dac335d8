-- Compares the counters of a range with the rows of its entities, in one snapshot, in which they agree even during writes.
-- Answers how many entities and rows there are, then each difference: the entity, the check, the stored value (NULL: there
-- is no counter) and the actual one.
-- $1, $2: the range begins after the first and ends with the second; NULL: no bound.
WITH compared AS (
    SELECT coalesce(m.id, c.id) AS id, c.count AS kept, coalesce(m.rows, 0) AS rows
    FROM (
        SELECT :id AS id, count(*) AS rows
        FROM :members
        WHERE ($1::text IS NULL OR :id > $1::text) AND ($2::text IS NULL OR :id <= $2::text)
        GROUP BY :id
    ) AS m
    FULL JOIN (
        SELECT :id AS id, count
        FROM :counters
        WHERE ($1::text IS NULL OR :id > $1::text) AND ($2::text IS NULL OR :id <= $2::text)
    ) AS c ON c.id = m.id
)
SELECT NULL AS id, NULL AS what, count(*) AS kept, coalesce(sum(rows), 0)::bigint AS actual FROM compared
UNION ALL
SELECT id, 'count', kept, rows FROM compared WHERE coalesce(kept, 0) <> rows
