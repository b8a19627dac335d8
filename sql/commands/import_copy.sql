COPY pg_temp.import_rows (place, id, user_id, created_at, capacity, waitlist, opens_at, closes_at) FROM STDIN WITH (FORMAT binary)
