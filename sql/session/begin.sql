-- Begins a transaction of several exchanges. The server ends a session that stays idle in it for longer than setup.sql
-- allows.
BEGIN
