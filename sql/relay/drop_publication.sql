-- Answers the statement that drops the publication, if it is there. $1: its name.
SELECT format('DROP PUBLICATION %I', pubname) FROM pg_publication WHERE pubname = $1::text
