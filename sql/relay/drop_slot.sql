-- Drops the slot if it is there; fails while somebody reads it. Answers a row for each that was dropped. $1: its name.
SELECT pg_drop_replication_slot(slot_name)
FROM pg_replication_slots
WHERE slot_name = $1::text
