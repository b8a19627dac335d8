/* The paths of writes: how dispatch learns which is right, and what goes together on each. */
#include "bench.h"
#include "unit.h"

/* That a plain write of a fresh user on the entity goes this way at once, and is done. */
static void expect_path(struct bench *bench, const char *entity, enum write_path path)
{
    struct ask *ask = bench_ask(bench, OPERATION_ADD, unit_id(entity),
                                unit_numbered_id("n", (unsigned)bench->ask_count));
    bench_submit(ask);
    assert_int_equal(bench_sent_batch(bench)->path, path);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(ask, OUTCOME_DONE);
    assert_int_equal(ask->sent, 1);
}

/* The primary says which operations should have gone another way: these go it now, the others their
 * own again; and whoever comes later on that entity goes it at once. */
static void test_a_misrouted_batch_goes_again(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    fake_primary_configure(&bench->primary, "e", &bench_ten_seats, bench->now);
    const struct ask *admitted[] = {bench_add(bench, "e", "u1"), bench_add(bench, "e", "u2")};
    const struct ask *plain = bench_add(bench, "f", "u1");
    const struct batch *batch = bench_sent_batch(bench);
    assert_int_equal(batch->path, PATH_PLAIN);
    assert_int_equal(batch->size, 3);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_MISROUTED), 1);
    bench_expect_waiting(admitted[0]);
    bench_expect_waiting(admitted[1]);
    bench_expect_waiting(plain);
    for (int i = 0; i < 2; i++) {
        batch = bench_sent_batch(bench);
        assert_int_equal(batch->size, batch->path == PATH_ADMITTED ? 2 : 1);
        bench_end(bench, POOL_WRITE, BATCH_DONE);
    }
    bench_expect(admitted[0], OUTCOME_DONE);
    bench_expect(admitted[1], OUTCOME_DONE);
    bench_expect(plain, OUTCOME_DONE);
    assert_int_equal(admitted[0]->executed + admitted[1]->executed + plain->executed, 3);
    expect_path(bench, "e", PATH_ADMITTED);
    expect_path(bench, "f", PATH_PLAIN);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_MISROUTED), 1);
    bench_finish(bench);
}

/* Likewise when the settings are gone. */
static void test_a_batch_that_is_misrouted_the_other_way(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_configure(bench, "e", 10, false);
    bench_settle(bench);
    expect_path(bench, "e", PATH_ADMITTED);
    fake_primary_configure(&bench->primary, "e", NULL, bench->now);
    const struct ask *plain = bench_add(bench, "e", "u1");
    const struct ask *keyed = bench_add_keyed(bench, "e", "u2", "k");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect_waiting(plain);
    bench_expect_waiting(keyed);
    bench_settle(bench);
    bench_expect(plain, OUTCOME_DONE);
    bench_expect(keyed, OUTCOME_DONE);
    assert_int_equal(plain->sent, 2);
    expect_path(bench, "e", PATH_PLAIN);
    bench_finish(bench);
}

/* Nothing was done: whoever waits to go the right way is not told that it may have been. */
static void test_the_deadline_of_what_was_misrouted(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    fake_primary_configure(&bench->primary, "e", &bench_ten_seats, bench->now);
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    bench_expect(ask, OUTCOME_UNAVAILABLE);
    bench_finish(bench);
}

/* A batch that was halved does not grow again because it was misrouted, too. */
static void test_misrouted_after_it_was_split(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    fake_primary_configure(&bench->primary, "e", &bench_ten_seats, bench->now);
    for (unsigned i = 0; i < 4; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
    }
    bench_end(bench, POOL_WRITE, BATCH_ROLLED_BACK);
    bench_end(bench, POOL_WRITE, BATCH_MISROUTED);
    while (bench->asks[3]->answers == 0) {
        assert_int_equal(bench_sent_batch(bench)->size, 2);
        bench_end(bench, POOL_WRITE, BATCH_DONE);
    }
    bench_finish(bench);
}

/* Whoever gives settings, or takes them, knows; once it is done. */
static void test_who_changes_settings_knows_the_path(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_configure(bench, "e", 10, true);
    bench_end(bench, POOL_WRITE, BATCH_UNAVAILABLE);
    expect_path(bench, "e", PATH_PLAIN);
    const struct ask *given = bench_configure(bench, "e", 10, true);
    bench_end(bench, POOL_WRITE, BATCH_LOST);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(given, OUTCOME_DONE);
    assert_int_equal(given->settings.capacity, 10);
    expect_path(bench, "e", PATH_ADMITTED);
    bench_release(bench, "e");
    bench_end(bench, POOL_WRITE, BATCH_UNAVAILABLE);
    expect_path(bench, "e", PATH_ADMITTED);
    const struct ask *taken = bench_release(bench, "e");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(taken, OUTCOME_DONE);
    assert_false(taken->settings.limited);
    expect_path(bench, "e", PATH_PLAIN);
    bench_finish(bench);
}

/* One that was answered at its deadline has been done after all: that is known, too. */
static void test_settings_that_come_late(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *ask = bench_configure(bench, "e", 10, true);
    bench_turn(bench);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    bench_expect(ask, OUTCOME_UNKNOWN);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    expect_path(bench, "e", PATH_ADMITTED);
    bench_finish(bench);
}

/* A post of the same name has no settings. */
static void test_likes_are_never_admitted(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 2;
    struct bench *bench = bench_create(&setup);
    bench_configure(bench, "e", 10, false);
    bench_settle(bench);
    struct ask *plain = bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_id("u"));
    struct ask *keyed = bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_id("v"));
    plain->relation = &relations[RELATION_LIKE];
    keyed->relation = &relations[RELATION_LIKE];
    keyed->key = unit_key("k");
    bench_submit(plain);
    bench_submit(keyed);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    for (size_t i = 0; i < 2; i++) {
        const struct batch *batch = bench->primary.flights[i].batch;
        bool is_keyed = operation_write(batch->operations[0])->key.size > 0;
        assert_int_equal(batch->path, is_keyed ? PATH_KEYED : PATH_PLAIN);
    }
    bench_settle(bench);
    bench_expect(plain, OUTCOME_DONE);
    bench_expect(keyed, OUTCOME_DONE);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_MISROUTED), 0);
    bench_finish(bench);
}

/* Each batch is of one path; with a key or without one, admitted is admitted. */
static void test_paths_never_share_a_batch(NO_STATE)
{
    static const size_t sizes[PATH_COUNT] = {
        [PATH_PLAIN] = 2, [PATH_KEYED] = 1, [PATH_ADMITTED] = 3};
    struct bench_setup setup = bench_usual;
    setup.write_connections = 4;
    struct bench *bench = bench_create(&setup);
    size_t seen[PATH_COUNT] = {0};
    bench_configure(bench, "e", 10, false);
    bench_settle(bench);
    bench_add(bench, "e", "u1");
    bench_add(bench, "f", "u1");
    bench_add_keyed(bench, "e", "u2", "k");
    bench_add_keyed(bench, "f", "u2", "k2");
    bench_remove(bench, "e", "u3");
    bench_remove(bench, "f", "u3");
    bench_turn(bench);
    const size_t flying = fake_primary_flying(&bench->primary, POOL_WRITE);
    assert_int_equal(flying, 3);
    for (size_t i = 0; i < flying; i++) {
        const struct batch *batch = bench->primary.flights[i].batch;
        seen[batch->path] += batch->size;
    }
    assert_memory_equal(seen, sizes, sizeof sizes);
    bench_finish(bench);
}

/* A keyed write behind a plain one of the same user on the same event waits for it. */
static void test_order_across_paths(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 3;
    struct bench *bench = bench_create(&setup);
    const struct ask *plain = bench_add(bench, "e", "u");
    const struct ask *keyed = bench_remove_keyed(bench, "e", "u", "k");
    const struct ask *last = bench_add(bench, "e", "u");
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(plain, OUTCOME_DONE);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(keyed, OUTCOME_DONE);
    bench_settle(bench);
    bench_expect(last, OUTCOME_DONE);
    assert_true(plain->changed && keyed->changed && last->changed);
    bench_finish(bench);
}

/* On one connection every kind of write gets its turn, however fast the others come. */
static void test_no_path_starves(NO_STATE)
{
    enum { ROUNDS = 4, WAYS = 6 };
    struct bench_setup setup = bench_usual;
    setup.pending_max = 2 * ROUNDS * WAYS * WAYS;
    struct bench *bench = bench_create(&setup);
    unsigned seen[RELATION_COUNT][PATH_COUNT] = {{0}}, configured = 0, number = 0;
    struct settings many = {.limited = true, .capacity = 1000};
    fake_primary_configure(&bench->primary, "admitted", &many, bench->now);
    bench_add(bench, "admitted", "first");
    bench_settle(bench);
    for (int turn = 0; turn < ROUNDS * WAYS; turn++) {
        for (int way = 0; way < WAYS - 1; way++) {
            struct ask *ask = bench_ask(bench, OPERATION_ADD, unit_id(way == 4 ? "admitted" : "e"),
                                        unit_numbered_id("u", number++));
            ask->relation = &relations[way % 2 == 1 ? RELATION_LIKE : RELATION_RSVP];
            if (way == 2 || way == 3) {
                ask->key = unit_key("k");
            }
            bench_submit(ask);
        }
        bench_configure(bench, "other", turn, false);
        const struct batch *batch = bench_sent_batch(bench);
        bool configures = batch->kind == OPERATION_STORE_SETTINGS;
        seen[batch->relation->id][batch->path] += !configures;
        configured += configures;
        bench_end(bench, POOL_WRITE, BATCH_DONE);
    }
    assert_int_equal(configured, ROUNDS);
    assert_int_equal(seen[RELATION_RSVP][PATH_PLAIN], ROUNDS);
    assert_int_equal(seen[RELATION_RSVP][PATH_KEYED], ROUNDS);
    assert_int_equal(seen[RELATION_RSVP][PATH_ADMITTED], ROUNDS);
    assert_int_equal(seen[RELATION_LIKE][PATH_PLAIN], ROUNDS);
    assert_int_equal(seen[RELATION_LIKE][PATH_KEYED], ROUNDS);
    bench_settle(bench);
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_misrouted_batch_goes_again),
        cmocka_unit_test(test_a_batch_that_is_misrouted_the_other_way),
        cmocka_unit_test(test_the_deadline_of_what_was_misrouted),
        cmocka_unit_test(test_misrouted_after_it_was_split),
        cmocka_unit_test(test_who_changes_settings_knows_the_path),
        cmocka_unit_test(test_settings_that_come_late),
        cmocka_unit_test(test_likes_are_never_admitted),
        cmocka_unit_test(test_paths_never_share_a_batch),
        cmocka_unit_test(test_order_across_paths),
        cmocka_unit_test(test_no_path_starves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
