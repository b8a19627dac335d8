-- Who waits for which event, in the order in which they get seats: tickets are this database's own. Times as export.sql has them.
COPY (
    SELECT event_id, user_id,
        to_char(least(greatest(created_at, 'epoch'), '9999-12-31 23:59:59.999999+00') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
    FROM waitlist
    ORDER BY event_id, ticket
) TO STDOUT WITH (FORMAT csv, HEADER)
