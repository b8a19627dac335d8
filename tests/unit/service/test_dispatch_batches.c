/* How batches form: what gathers, what goes together, and whose turn it is. */
#include "bench.h"
#include "bench_each.h"
#include "unit.h"

#include "rsvpd/service/dispatch.h"

static void test_what_gathers_goes_together(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u0");
    bench_turn(bench);
    for (unsigned i = 1; i < 20; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
        bench_turn(bench);
    }
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_turn(bench);
    assert_int_equal(fake_primary_flight(&bench->primary, POOL_WRITE)->batch->size, 19);
    bench_settle(bench);
    assert_int_equal(bench->primary.batches_sent, 2);
    bench_finish(bench);
}

/* Nothing goes while every iteration brings more, for a while. */
static void test_those_who_keep_coming_go_together(NO_STATE)
{
    enum { STEP_US = 100 };
    struct bench *bench = bench_create(&bench_usual);
    for (unsigned turn = 0; turn < LINGER_US / STEP_US; turn++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", turn)));
        assert_true(service_end_iteration(bench->service, bench->now));
        assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 0);
        bench_pass(bench, STEP_US);
    }
    bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_id("last")));
    assert_false(service_end_iteration(bench->service, bench->now));
    const struct batch *batch = fake_primary_flight(&bench->primary, POOL_WRITE)->batch;
    assert_int_equal(batch->size, LINGER_US / STEP_US + 1);

    /* A turn that brings nothing is the end of it, and the next who comes begins anew. */
    bench_settle(bench);
    bench_pass(bench, LINGER_US);
    bench_add(bench, "e", "u");
    assert_true(service_end_iteration(bench->service, bench->now));
    assert_false(service_end_iteration(bench->service, bench->now));
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    assert_false(service_end_iteration(bench->service, bench->now));
    bench_finish(bench);
}

/* A further connection is for when a batch is slow, or cannot hold them all. */
static void test_a_slow_batch_is_not_last_contended(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 3;
    struct bench *bench = bench_create(&setup);
    bench_add(bench, "e", "slow");
    bench_turn(bench);
    const struct batch *slow = fake_primary_flight(&bench->primary, POOL_WRITE)->batch;
    bench_add(bench, "e", "u1");
    bench_wait(bench, BATCH_DELAY_US - 1);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    bench_add(bench, "e", "u2");
    bench_wait(bench, 1);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    assert_int_equal(bench->primary.flights[1].batch->size, 2);

    /* Once the younger one is done the next goes at once, though the slow one still is under way.
     */
    bench_add(bench, "e", "u3");
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    fake_primary_end(&bench->primary, &bench->primary.flights[1], BATCH_DONE, bench->now);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);

    /* The end of the slow one does not hurry those that gather behind a younger one. */
    bench_add(bench, "e", "u4");
    assert_ptr_equal(bench->primary.flights[0].batch, slow);
    fake_primary_end(&bench->primary, &bench->primary.flights[0], BATCH_DONE, bench->now);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    bench_settle(bench);
    bench_finish(bench);
}

static void test_what_does_not_fit_goes_on_another_connection(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 2 * BATCH_SIZE_MAX;
    setup.read_connections = 2;
    struct bench *bench = bench_create(&setup);
    for (unsigned i = 0; i < BATCH_SIZE_MAX + 1; i++) {
        bench_submit(bench_ask(bench, OPERATION_LOOKUP, unit_id("e"), unit_numbered_id("u", i)));
    }
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_READ), 2);
    bench_settle(bench);
    bench_finish(bench);
}

static void test_more_than_fit_in_a_batch(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 2 * BATCH_SIZE_MAX;
    struct bench *bench = bench_create(&setup);
    for (unsigned i = 0; i < BATCH_SIZE_MAX + 1; i++) {
        bench_submit(bench_ask(bench, OPERATION_LOOKUP, unit_id("e"), unit_numbered_id("u", i)));
    }
    bench_turn(bench);
    assert_int_equal(fake_primary_flight(&bench->primary, POOL_READ)->batch->size, BATCH_SIZE_MAX);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_turn(bench);
    assert_int_equal(fake_primary_flight(&bench->primary, POOL_READ)->batch->size, 1);
    bench_finish(bench);
}

/* A read never waits behind a write, nor a write behind a read. */
static void test_pools_do_not_wait_for_each_other(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u");
    bench_turn(bench);
    const struct ask *read = bench_lookup(bench, "e", "u");
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect(read, OUTCOME_DONE);
    bench_lookup(bench, "e", "u");
    bench_turn(bench);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    const struct ask *write = bench_add(bench, "e", "u");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(write, OUTCOME_DONE);
    bench_finish(bench);
}

static void submit_of(struct bench *bench, enum operation_kind kind, enum relation_id relation,
                      unsigned number)
{
    struct ask *ask =
        bench_ask(bench, kind, unit_numbered_id("e", number), unit_numbered_id("u", number));
    ask->relation = &relations[relation];
    ask->not_before_us = bench->now.mono_us;
    bench_submit(ask);
}

/* On one connection every queue of its pool gets its turn, however fast the others fill again. */
static void test_no_queue_starves(NO_STATE)
{
    enum { ROUNDS = 3, QUEUES = RELATION_COUNT * (BENCH_READS_END - OPERATION_LOOKUP) };
    struct bench_setup setup = bench_usual;
    setup.pending_max = 2 * ROUNDS * QUEUES * QUEUES;
    struct bench *bench = bench_create(&setup);
    unsigned seen[RELATION_COUNT][BENCH_READS_END] = {{0}}, number = 0;
    for (int turn = 0; turn < ROUNDS * QUEUES; turn++) {
        for (int queue = 0; queue < QUEUES; queue++) {
            submit_of(bench, (enum operation_kind)(OPERATION_LOOKUP + queue / RELATION_COUNT),
                      (enum relation_id)(queue % RELATION_COUNT), number++);
        }
        bench_turn(bench);
        const struct batch *batch = fake_primary_flight(&bench->primary, POOL_READ)->batch;
        seen[batch->relation->id][batch->kind]++;
        bench_end(bench, POOL_READ, BATCH_DONE);
    }
    for (int relation = 0; relation < RELATION_COUNT; relation++) {
        for (int kind = OPERATION_LOOKUP; kind < BENCH_READS_END; kind++) {
            assert_int_equal(seen[relation][kind], ROUNDS);
        }
    }
    bench_finish(bench);
}

static void test_queue_depths_are_reported(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u");
    bench_remove(bench, "e", "u");
    bench_lookup(bench, "e", "u");
    bench_turn(bench);
    bench_lookup(bench, "e", "u");
    submit_of(bench, OPERATION_LOOKUP, RELATION_LIKE, 1);
    submit_of(bench, OPERATION_FIND, RELATION_RSVP, 1);
    submit_of(bench, OPERATION_COUNT, RELATION_LIKE, 1);
    submit_of(bench, OPERATION_LIST_USERS, RELATION_RSVP, 1);
    submit_of(bench, OPERATION_LIST_ENTITIES, RELATION_LIKE, 1);
    bench_tick(bench);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_WRITES), 2);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_LOOKUPS), 4);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_COUNTS), 1);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_LISTS), 2);
    bench_finish(bench);
}

/* Listings answer much: few go together, and not many may wait, of each kind and relation. */
static void test_listings_have_bounds_of_their_own(NO_STATE)
{
    enum { BATCH_MAX = 16, WAITING_MAX = 256 };
    struct bench_setup setup = bench_usual;
    setup.pending_max = 4 * WAITING_MAX;
    struct bench *bench = bench_create(&setup);
    for (unsigned i = 0; i < WAITING_MAX; i++) {
        submit_of(bench, OPERATION_LIST_USERS, RELATION_RSVP, i);
        bench_expect_waiting(bench->asks[i]);
    }
    bench_turn(bench);
    assert_int_equal(fake_primary_flight(&bench->primary, POOL_READ)->batch->size, BATCH_MAX);
    submit_of(bench, OPERATION_LIST_USERS, RELATION_RSVP, 0);
    bench_expect(bench->asks[WAITING_MAX], OUTCOME_OVERLOADED);
    submit_of(bench, OPERATION_LIST_USERS, RELATION_LIKE, 0);
    submit_of(bench, OPERATION_LIST_ENTITIES, RELATION_RSVP, 0);
    submit_of(bench, OPERATION_FIND, RELATION_RSVP, 0);
    bench_end(bench, POOL_READ, BATCH_DONE);
    submit_of(bench, OPERATION_LIST_USERS, RELATION_RSVP, 0);
    for (size_t i = WAITING_MAX + 1; i < bench->ask_count; i++) {
        bench_expect_waiting(bench->asks[i]);
    }
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_gathers_goes_together),
        cmocka_unit_test(test_those_who_keep_coming_go_together),
        cmocka_unit_test(test_a_slow_batch_is_not_last_contended),
        cmocka_unit_test(test_what_does_not_fit_goes_on_another_connection),
        cmocka_unit_test(test_more_than_fit_in_a_batch),
        cmocka_unit_test(test_pools_do_not_wait_for_each_other),
        cmocka_unit_test(test_no_queue_starves),
        cmocka_unit_test(test_queue_depths_are_reported),
        cmocka_unit_test(test_listings_have_bounds_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
