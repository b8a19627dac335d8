-- Restricts a verification to look-ups by key range, whatever the statistics say, and to reading.
SELECT
    set_config('enable_seqscan', 'off', false),
    set_config('enable_bitmapscan', 'off', false),
    set_config('default_transaction_read_only', 'on', false)
