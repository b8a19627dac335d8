/* One request of each kind, all at once on a bench: for what holds whatever was asked. */
#ifndef RSVPD_TESTS_BENCH_EACH_H
#define RSVPD_TESTS_BENCH_EACH_H

#include "bench.h"

enum { BENCH_KINDS = OPERATION_CLEAR_SETTINGS + 1, BENCH_READS_END = OPERATION_SETTINGS + 1 };

/* With this many connections what bench_ask_each asks goes all at once. */
extern const struct bench_setup bench_one_of_each;

/* Each kind has a user of its own. */
struct ask *bench_ask_kind(struct bench *bench, enum operation_kind kind);
void bench_ask_each(struct bench *bench, const struct ask *asks[BENCH_KINDS]);

bool bench_kind_writes(enum operation_kind kind);
enum pool bench_pool_of(enum operation_kind kind);

/* A turn, and then all that is under way ends that way. */
void bench_end_all(struct bench *bench, enum batch_outcome outcome);

void bench_expect_each(const struct ask *const asks[BENCH_KINDS], enum outcome of_writes,
                       enum outcome of_reads);
void bench_expect_each_waiting(const struct ask *const asks[BENCH_KINDS]);

#endif
