-- Sets a counter, which is locked, to the number of rows. $1: entity.
UPDATE :counters AS c
SET count = m.rows, version = c.version + 1
FROM (SELECT count(*) AS rows FROM :members WHERE :id = $1::text) AS m
WHERE c.:id = $1::text AND c.count <> m.rows
