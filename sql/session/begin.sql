-- Begins a transaction of several exchanges. A session that is left in it for longer than setup.sql allows is ended by the server.
BEGIN
