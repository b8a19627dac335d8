-- All members as an import reads them. Times keep their microseconds.
COPY (
    SELECT :id, user_id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
    FROM :members
    ORDER BY :id, user_id
) TO STDOUT WITH (FORMAT csv, HEADER)
