-- For a batch about an entity whose lock somebody seems to hold: it waits a fifth as long as others, to find out whether the
-- lock is still held, because other batches wait behind it. For this transaction only.
SELECT set_config('lock_timeout',
    (extract(epoch FROM current_setting('lock_timeout')::interval) * 1000 / 5)::integer::text, true)
