/* Statements that read, and how their rows are parsed into the operations. All functions that queue
 * statements return false if the connection is broken. */
#ifndef RSVPD_STORE_PG_READS_H
#define RSVPD_STORE_PG_READS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/store/pg_statement.h"

MUST_CHECK bool pg_reads_queue_lookups(struct pg_exchange *exchange);
MUST_CHECK bool pg_reads_queue_finds(struct pg_exchange *exchange);
MUST_CHECK bool pg_reads_queue_counts(struct pg_exchange *exchange);
MUST_CHECK bool pg_reads_queue_lists(struct pg_exchange *exchange);
MUST_CHECK bool pg_reads_queue_settings(struct pg_exchange *exchange);

/* Rows of count.sql, read_counts.sql and read_counts_unless_admitted.sql; of settings.sql. */
pg_parse_fn pg_reads_parse_counts, pg_reads_parse_settings;

#endif
