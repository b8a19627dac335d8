-- Sent every second, as a question whether the server still answers, and so that plans made while a table was small are made
-- anew: PostgreSQL itself keeps a prepared statement's plan until the next ANALYZE, however much the table grows.
DISCARD PLANS
