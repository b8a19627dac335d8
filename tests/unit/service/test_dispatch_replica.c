/* Which server a read goes to: the replica while it is there, else the primary. */
#include "bench.h"
#include "unit.h"

static struct bench *create_bench(void)
{
    struct bench_setup setup = bench_usual;
    setup.replica_connections = 2;
    setup.has_redis = false;
    return bench_create(&setup);
}

static struct ask *ask(struct bench *bench, enum operation_kind kind)
{
    struct ask *asked = bench_ask(bench, kind, unit_id("e"), unit_id("u"));
    bench_submit(asked);
    return asked;
}

static void test_reads_go_to_the_replica(NO_STATE)
{
    static const enum operation_kind kinds[] = {OPERATION_LOOKUP, OPERATION_FIND,
                                                OPERATION_LIST_USERS, OPERATION_LIST_ENTITIES};
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct bench *bench = create_bench();
        struct ask *asked = ask(bench, kinds[i]);
        bench_turn(bench);
        assert_int_equal(fake_primary_flying(&bench->primary, POOL_READ), 0);
        bench_end(bench, POOL_REPLICA, BATCH_DONE);
        bench_expect(asked, OUTCOME_DONE);
        assert_int_equal(metrics_get(bench->metrics, METRIC_READS_BY_REPLICA), 1);
        assert_int_equal(metrics_get(bench->metrics, METRIC_READS_BY_PRIMARY), 0);
        bench_finish(bench);
    }
}

static void test_counts_and_writes_do_not(NO_STATE)
{
    struct bench *bench = create_bench();
    struct ask *count = ask(bench, OPERATION_COUNT), *write = ask(bench, OPERATION_ADD);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_REPLICA), 0);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(count, OUTCOME_DONE);
    bench_expect(write, OUTCOME_DONE);
    bench_finish(bench);
}

/* What the replica declines goes to the primary once the replica is not available any more. */
static void test_what_is_declined_goes_to_the_primary(NO_STATE)
{
    struct bench *bench = create_bench();
    struct ask *asked = ask(bench, OPERATION_LOOKUP);
    bench_turn(bench);
    bench->primary.connections[POOL_REPLICA] = 0;
    bench_end(bench, POOL_REPLICA, BATCH_DECLINED);
    bench_turn(bench);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect(asked, OUTCOME_DONE);
    assert_int_equal(metrics_get(bench->metrics, METRIC_READS_BY_REPLICA), 0);
    assert_int_equal(metrics_get(bench->metrics, METRIC_READS_BY_PRIMARY), 1);
    bench_finish(bench);
}

/* While the replica is available its reads wait for it: the primary is to be spared. */
static void test_reads_wait_for_a_busy_replica(NO_STATE)
{
    struct bench *bench = create_bench();
    bench->primary.connections[POOL_REPLICA] = 1;
    struct ask *first = ask(bench, OPERATION_LOOKUP);
    bench_turn(bench);
    struct ask *second = ask(bench, OPERATION_LIST_USERS);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_REPLICA), 1);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_READ), 0);
    bench_end(bench, POOL_REPLICA, BATCH_DONE);
    bench_turn(bench);
    bench_end(bench, POOL_REPLICA, BATCH_DONE);
    bench_expect(first, OUTCOME_DONE);
    bench_expect(second, OUTCOME_DONE);
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_go_to_the_replica),
        cmocka_unit_test(test_counts_and_writes_do_not),
        cmocka_unit_test(test_what_is_declined_goes_to_the_primary),
        cmocka_unit_test(test_reads_wait_for_a_busy_replica),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
