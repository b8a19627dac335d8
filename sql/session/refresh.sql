-- Sent every second, to check that the server still answers, and to replace plans that were made while a table was small:
-- PostgreSQL keeps the plan of a prepared statement until the next ANALYZE, however much the table grows.
DISCARD PLANS
