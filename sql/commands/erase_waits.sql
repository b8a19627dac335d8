-- Like erase_members.sql, for the events whose waiting lists the user is on. All of them have settings.
SELECT NULL::text[], NULL::text[], array_agg(n.event_id ORDER BY n.event_id), array_agg($1::text), max(n.event_id)
FROM (
    SELECT w.event_id
    FROM waitlist AS w
    WHERE w.user_id = $1::text AND w.event_id > $2::text
    ORDER BY w.event_id
    LIMIT $3::bigint
) AS n
