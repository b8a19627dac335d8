COPY pg_temp.import_rows (place, id, user_id, created_at) FROM STDIN WITH (FORMAT binary)
