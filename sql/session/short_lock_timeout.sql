-- For a batch about an entity on which somebody holds a lock, as far as is known: it looks whether that is still so, and waits a fifth
-- as long as others do, because those behind it wait too. For this transaction.
SELECT set_config('lock_timeout',
    (extract(epoch FROM current_setting('lock_timeout')::interval) * 1000 / 5)::integer::text, true)
