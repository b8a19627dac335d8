-- Exports all waiting lists, in the order in which their users get seats; tickets are private to this database. Times as in
-- export.sql.
COPY (
    SELECT event_id, user_id,
        to_char(least(greatest(created_at, 'epoch'), '9999-12-31 23:59:59.999999+00') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
    FROM waitlist
    ORDER BY event_id, ticket
) TO STDOUT WITH (FORMAT csv, HEADER)
