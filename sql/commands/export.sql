-- All members as an import reads them. Times keep their microseconds; those that no import takes become the nearest that it does.
COPY (
    SELECT :id, user_id, to_char(least(greatest(created_at, 'epoch'), '9999-12-31 23:59:59.999999+00') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
    FROM :members
    ORDER BY :id, user_id
) TO STDOUT WITH (FORMAT csv, HEADER)
