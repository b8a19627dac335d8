/* One request of each kind. */
#include "bench_each.h"

#include "unit.h"

const struct bench_setup bench_one_of_each = {
    .pending_max = 64,
    .write_connections = 3,
    .read_connections = BENCH_READS_END - OPERATION_LOOKUP,
    .has_redis = false,
    .local_lifetime_us = BENCH_LOCAL_US,
};

struct ask *bench_ask_kind(struct bench *bench, enum operation_kind kind)
{
    static const char *const users[BENCH_KINDS] = {
        "added",   "removed", "sought", "counted", "found", "listed", "lister",
        "waiting", "waiter",  "kept",   "lister2", "asked", "given",  "taken"};
    const char *entity = kind == OPERATION_STORE_SETTINGS   ? "f"
                         : kind == OPERATION_CLEAR_SETTINGS ? "g"
                                                            : "e";
    struct ask *ask = bench_ask(bench, kind, unit_id(entity), unit_id(users[kind]));
    ask->not_before_us = bench->now.mono_us;
    bench_submit(ask);
    return ask;
}

void bench_ask_each(struct bench *bench, const struct ask *asks[BENCH_KINDS])
{
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        asks[kind] = bench_ask_kind(bench, (enum operation_kind)kind);
    }
}

void bench_end_all(struct bench *bench, enum batch_outcome outcome)
{
    bench_turn(bench);
    while (bench->primary.flight_count > 0) {
        fake_primary_end(&bench->primary, &bench->primary.flights[0], outcome, bench->now);
    }
}

bool bench_kind_writes(enum operation_kind kind)
{
    return kind == OPERATION_ADD || kind == OPERATION_REMOVE || kind == OPERATION_STORE_SETTINGS ||
           kind == OPERATION_CLEAR_SETTINGS;
}

enum pool bench_pool_of(enum operation_kind kind)
{
    return bench_kind_writes(kind) ? POOL_WRITE : POOL_READ;
}

void bench_expect_each(const struct ask *const asks[BENCH_KINDS], enum outcome of_writes,
                       enum outcome of_reads)
{
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        bench_expect(asks[kind],
                     bench_kind_writes((enum operation_kind)kind) ? of_writes : of_reads);
    }
}

void bench_expect_each_waiting(const struct ask *const asks[BENCH_KINDS])
{
    for (int kind = 0; kind < BENCH_KINDS; kind++) {
        bench_expect_waiting(asks[kind]);
    }
}
