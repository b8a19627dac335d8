-- Exports the settings of all events. What is not set is empty. Times as in export.sql.
COPY (
    SELECT event_id, capacity, waitlist,
        to_char(CASE WHEN opens_at IS NOT NULL THEN least(greatest(opens_at, 'epoch'), '9999-12-31 23:59:59.999999+00') END AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS opens_at,
        to_char(CASE WHEN closes_at IS NOT NULL THEN least(greatest(closes_at, 'epoch'), '9999-12-31 23:59:59.999999+00') END AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS closes_at
    FROM events
    ORDER BY event_id
) TO STDOUT WITH (FORMAT csv, HEADER)
