-- Stores answers under their idempotency keys for a day. If another transaction has just stored an answer under a key, the
-- primary key is violated: this transaction is rolled back, and the next attempt looks that answer up.
-- $1, $2: users and keys, sorted; $3, $4: what was asked, and of which entity; $5: whether it changed anything; $6: the
-- count; $7: the position on the waiting list, or 0; $8: whether that is exact.
INSERT INTO idempotency_keys (user_id, key, action, entity_id, changed, count, place, place_exact, expires_at)
SELECT a.user_id, a.key, a.action, a.entity_id, a.changed > 0, a.count, a.place, a.place_exact > 0, statement_timestamp() + interval '24 hours'
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
    AS a (user_id, key, action, entity_id, changed, count, place, place_exact)
