-- The table that the lines of a chunk are copied into. `place` numbers them; created_at is NULL for the time of the import.
-- Columns that this kind of import does not have are NULL.
CREATE TEMPORARY TABLE import_rows (
    place integer NOT NULL,
    id text COLLATE "C" NOT NULL,
    user_id text COLLATE "C",
    created_at timestamptz,
    capacity bigint,
    waitlist boolean,
    opens_at timestamptz,
    closes_at timestamptz
) ON COMMIT DELETE ROWS
