-- Exports all members in the format of an import. Times keep their microseconds. A time that no import accepts becomes the
-- nearest one that it does.
COPY (
    SELECT :id, user_id, to_char(least(greatest(created_at, 'epoch'), '9999-12-31 23:59:59.999999+00') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at
    FROM :members
    ORDER BY :id, user_id
) TO STDOUT WITH (FORMAT csv, HEADER)
