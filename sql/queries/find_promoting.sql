-- Like claim_promotions.sql where events are on several servers, which cannot lock one of all: finds such events, and claims
-- none. Two workers of the service may find the same one; its lock puts them one after the other.
-- Those that wait longest: of several, whoever asks takes any, so that one whose counter is held keeps no others waiting.
-- $1: how many at most.
SELECT event_id, promoting_at
FROM events
WHERE promoting_at < statement_timestamp() - interval '1 second'
ORDER BY promoting_at
LIMIT $1::bigint
