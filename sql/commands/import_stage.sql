-- Where the lines of a chunk are put first. `place` counts them; created_at is NULL for the time of the import.
CREATE TEMPORARY TABLE import_rows (
    place integer NOT NULL,
    id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    created_at timestamptz
) ON COMMIT DELETE ROWS
