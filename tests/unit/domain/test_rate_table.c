/* The table of callers: each held to its limit by all threads together, bounded, and shared. */
#include "unit.h"

#include "rsvpd/domain/rate_table.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static const int64_t SECOND_US = 1000 * 1000;
static const int64_t NOW_US = 1000 * 1000 * 1000;

enum { SHARES_MAX = 512 };

static struct rate_table *make_table(int64_t requests, int64_t seconds, size_t capacity)
{
    struct rate_table *table = rate_table_create(&(struct rate_table_setup){
        .limits.of = {[RATE_USER] = {requests, seconds}, [RATE_ADDRESS] = {2, 1}},
        .capacity = capacity,
        .secret = 42,
        .shared = true,
    });
    assert_non_null(table);
    return table;
}

static struct rate_verdict take(struct rate_table *table, const char *user, int64_t now_us)
{
    return rate_table_take(table, RATE_USER, slice_of(user), now_us);
}

static void take_times(struct rate_table *table, const char *user, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        assert_true(take(table, user, NOW_US).allowed);
    }
}

/* All that there is to share. */
static size_t collect(struct rate_table *table, struct rate_share shares[SHARES_MAX],
                      int64_t now_us)
{
    uint64_t dropped = 0;
    return rate_table_collect(table, shares, SHARES_MAX, now_us, &dropped);
}

static void test_callers_do_not_share_a_limit(NO_STATE)
{
    struct rate_table *table = make_table(3, 60, 1024);
    take_times(table, "u1", 3);
    assert_false(take(table, "u1", NOW_US).allowed);
    assert_int_equal(take(table, "u2", NOW_US).remaining, 2);
    /* Of another kind with the same name. */
    assert_int_equal(rate_table_take(table, RATE_ADDRESS, slice_of("u1"), NOW_US).remaining, 1);
    assert_int_equal(rate_table_take(table, RATE_ADDRESS, slice_of("u1"), NOW_US).remaining, 0);
    assert_false(rate_table_take(table, RATE_ADDRESS, slice_of("u1"), NOW_US).allowed);
    assert_int_equal(rate_table_limit(table, RATE_KEY).requests, 0);
    rate_table_destroy(&table);
    assert_null(table);
}

static const char *numbered(char name[24], unsigned number)
{
    snprintf(name, 24, "caller-%u", number);
    return name;
}

/* Ten million callers: the table stays as large as it was made, and who owes much is remembered
 * through all of it. */
static void test_memory_is_bounded(NO_STATE)
{
    enum { CALLERS = 10 * 1000 * 1000, CAPACITY = 16 * 1024 };
    struct rate_table *table = make_table(600, 60, CAPACITY);
    take_times(table, "heavy", 600);
    size_t used = mallinfo2().uordblks + mallinfo2().hblkhd;
    for (unsigned i = 0; i < CALLERS; i++) {
        struct slice name = slice_make((const char *)&i, sizeof i);
        assert_true(rate_table_take(table, RATE_USER, name, NOW_US).allowed);
    }
    assert_int_equal(mallinfo2().uordblks + mallinfo2().hblkhd, used);
    assert_false(take(table, "heavy", NOW_US).allowed);
    rate_table_destroy(&table);
}

/* Those who owe nothing go first: nothing is lost while there is one. */
static void test_who_owes_nothing_is_forgotten_first(NO_STATE)
{
    enum { DEBTORS = 500, PASSERS_BY = 20000 };
    struct rate_table *table = make_table(2, 60, 16 * 1024);
    char name[24];
    for (unsigned i = 0; i < DEBTORS; i++) {
        take_times(table, numbered(name, i), 2);
    }
    for (unsigned i = 0; i < PASSERS_BY; i++) {
        (void)rate_table_take(table, RATE_ADDRESS, slice_of(numbered(name, i)), NOW_US);
    }
    for (unsigned i = 0; i < DEBTORS; i++) {
        assert_false(take(table, numbered(name, i), NOW_US + SECOND_US).allowed);
    }
    rate_table_destroy(&table);
}

/* Callers of one kind, however much they owe, make nobody of another kind forgotten. */
static void test_kinds_do_not_push_each_other_out(NO_STATE)
{
    enum { CALLERS = 100 * 1000, CAPACITY = 4096 };
    struct rate_table *table = rate_table_create(&(struct rate_table_setup){
        .limits.of = {[RATE_USER] = {5, 1}, [RATE_KEY] = {3, 60}, [RATE_ADDRESS] = {1, 86400}},
        .capacity = CAPACITY,
        .secret = 42,
        .shared = true,
    });
    struct rate_share shares[SHARES_MAX];
    bool seen[RATE_KIND_COUNT] = {false};
    assert_non_null(table);
    take_times(table, "u1", 5);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(rate_table_take(table, RATE_KEY, slice_of("k1"), NOW_US).allowed);
    }
    for (unsigned i = 0; i < CALLERS; i++) {
        struct slice name = slice_make((const char *)&i, sizeof i);
        assert_true(rate_table_take(table, RATE_ADDRESS, name, NOW_US).allowed);
    }
    assert_false(take(table, "u1", NOW_US).allowed);
    assert_false(rate_table_take(table, RATE_KEY, slice_of("k1"), NOW_US).allowed);
    /* Each share tells of which kind it is, and what is learnt goes to that one. */
    for (size_t size; (size = collect(table, shares, NOW_US)) > 0;) {
        for (size_t i = 0; i < size; i++) {
            seen[shares[i].kind] = true;
            if (shares[i].kind == RATE_USER) {
                assert_int_equal(shares[i].requests, 5);
                assert_int_equal(shares[i].debt_max_us, 2 * SECOND_US);
                shares[i].answered = true;
                shares[i].debt_us = 2 * SECOND_US;
                rate_table_learn(table, &shares[i], NOW_US, NOW_US);
            }
        }
    }
    assert_true(seen[RATE_USER] && seen[RATE_KEY] && seen[RATE_ADDRESS]);
    assert_int_equal(take(table, "u1", NOW_US).reset_s, 2);
    rate_table_destroy(&table);
}

/* Whoever comes all the time stays limited through a flood of callers who come once, under the
 * smallest limit that tells them apart. */
static void test_a_flood_does_not_free_who_comes_all_the_time(NO_STATE)
{
    enum { CALLERS = 1000 * 1000, CAPACITY = 2048, STEP_US = 100 };
    struct rate_table *table = make_table(2, 60, CAPACITY);
    unsigned allowed = 0;
    int64_t now_us = NOW_US;
    for (unsigned i = 0; i < CALLERS; i++, now_us += STEP_US) {
        struct slice name = slice_make((const char *)&i, sizeof i);
        assert_true(rate_table_take(table, RATE_USER, name, now_us).allowed);
        allowed += take(table, "heavy", now_us).allowed;
    }
    assert_int_equal(allowed, 2 + CALLERS / (30 * SECOND_US / STEP_US));
    rate_table_destroy(&table);
}

enum { THREADS = 4, TRIES = 20000 };

struct crowd {
    struct rate_table *table;
    _Atomic unsigned allowed;
};

static void *come_often(void *crowd_)
{
    struct crowd *crowd = crowd_;
    for (unsigned i = 0; i < TRIES; i++) {
        char name[24];
        (void)take(crowd->table, numbered(name, i), NOW_US);
        if (take(crowd->table, "u1", NOW_US).allowed) {
            atomic_fetch_add(&crowd->allowed, 1);
        }
    }
    return NULL;
}

static void test_threads_share_a_limit_exactly(NO_STATE)
{
    struct crowd crowd = {.table = make_table(1000, 60, 1024)};
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, come_often, &crowd), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&crowd.allowed), 1000);
    rate_table_destroy(&crowd.table);
}

static void test_shares_are_collected_once(NO_STATE)
{
    struct rate_table *table = make_table(10, 10, 1024);
    struct rate_share shares[SHARES_MAX];
    assert_int_equal(collect(table, shares, NOW_US), 0);
    take_times(table, "u1", 3);
    assert_int_equal(collect(table, shares, NOW_US), 1);
    assert_int_equal(shares[0].requests, 3);
    assert_int_equal(shares[0].charge_us, 3 * SECOND_US);
    assert_int_equal(shares[0].spell_us, 0); /* since the collection before */
    assert_int_equal(shares[0].debt_max_us, 20 * SECOND_US);
    assert_int_equal(collect(table, shares, NOW_US), 0);
    /* What is put back comes again, together with what came since. */
    take_times(table, "u1", 1);
    rate_table_put_back(table, &shares[0]);
    assert_int_equal(collect(table, shares, NOW_US), 1);
    assert_int_equal(shares[0].requests, 4);
    /* What was paid off before the spell is nobody's business. */
    rate_table_put_back(table, &shares[0]);
    assert_int_equal(collect(table, shares, NOW_US + 3 * SECOND_US), 1);
    assert_int_equal(shares[0].spell_us, RATE_SPELL_MAX_US);
    assert_int_equal(shares[0].charge_us, SECOND_US + RATE_SPELL_MAX_US);
    /* What was paid off within it may be a debt to others. */
    rate_table_put_back(table, &shares[0]);
    assert_int_equal(collect(table, shares, NOW_US + 4 * SECOND_US + 1000), 1);
    assert_int_equal(shares[0].charge_us, shares[0].spell_us);
    take_times(table, "u2", 1);
    assert_int_equal(collect(table, shares, NOW_US + 4 * SECOND_US + 3000), 1);
    assert_int_equal(shares[0].spell_us, 2000);
    rate_table_destroy(&table);
}

/* Collections of a few at a time reach every caller, however many there are. */
static void test_every_share_is_collected(NO_STATE)
{
    enum { CALLERS = 3000 };
    struct rate_table *table = make_table(10, 10, 16 * 1024);
    struct rate_share shares[SHARES_MAX];
    char name[24];
    unsigned collected = 0;
    for (unsigned i = 0; i < CALLERS; i++) {
        take_times(table, numbered(name, i), 2);
    }
    for (unsigned round = 0; round < 1000 && collected < CALLERS; round++) {
        uint64_t dropped = 0;
        size_t size = rate_table_collect(table, shares, 7, NOW_US, &dropped);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(shares[i].requests, 2);
        }
        assert_int_equal(dropped, 0);
        collected += (unsigned)size;
    }
    assert_int_equal(collected, CALLERS);
    rate_table_destroy(&table);
}

static void test_shares_of_the_forgotten_are_counted(NO_STATE)
{
    enum { CALLERS = 20000, CAPACITY = 2048 /* eight in each of the fewest buckets */ };
    struct rate_table *table = make_table(10, 10, CAPACITY);
    struct rate_share shares[SHARES_MAX];
    char name[24];
    uint64_t dropped = 0, collected = 0;
    size_t size;
    for (unsigned i = 0; i < CALLERS; i++) {
        take_times(table, numbered(name, i), 1);
    }
    while ((size = rate_table_collect(table, shares, SHARES_MAX, NOW_US, &dropped)) > 0) {
        collected += size;
    }
    assert_int_equal(collected, CAPACITY);
    assert_int_equal(dropped, CALLERS - CAPACITY);
    rate_table_destroy(&table);
}

/* Hands the shares of both tables to a third party that adds up, as Redis does. */
static void exchange(struct rate_table *tables[2], int64_t *held_us)
{
    for (size_t i = 0; i < 2; i++) {
        struct rate_share shares[SHARES_MAX];
        size_t size = collect(tables[i], shares, NOW_US);
        for (size_t j = 0; j < size; j++) {
            shares[j].debt_us = *held_us += shares[j].charge_us;
            shares[j].answered = true;
            rate_table_learn(tables[i], &shares[j], NOW_US, NOW_US);
        }
    }
}

static void test_two_processes_learn_from_each_other(NO_STATE)
{
    struct rate_table *tables[2] = {make_table(10, 10, 1024), make_table(10, 10, 1024)};
    int64_t held_us = 0;
    take_times(tables[0], "u1", 4);
    take_times(tables[1], "u1", 3);
    exchange(tables, &held_us);
    assert_int_equal(held_us, 7 * SECOND_US);
    assert_int_equal(take(tables[1], "u1", NOW_US).remaining, 2); /* it knows all */
    assert_int_equal(take(tables[0], "u1", NOW_US).remaining, 5); /* it was before the other */
    exchange(tables, &held_us);
    assert_int_equal(take(tables[0], "u1", NOW_US).remaining, 1);
    assert_int_equal(take(tables[1], "u1", NOW_US).remaining, 0);
    assert_false(take(tables[1], "u1", NOW_US).allowed);
    rate_table_destroy(&tables[0]);
    rate_table_destroy(&tables[1]);
}

/* What came while the exchange was under way is added to what it says. */
static void test_what_came_meanwhile_counts(NO_STATE)
{
    struct rate_table *table = make_table(10, 10, 1024);
    struct rate_share shares[SHARES_MAX];
    take_times(table, "u1", 1);
    assert_int_equal(collect(table, shares, NOW_US), 1);
    take_times(table, "u1", 2);
    shares[0].answered = true;
    shares[0].debt_us = 5 * SECOND_US;
    rate_table_learn(table, &shares[0], NOW_US, NOW_US);
    assert_int_equal(take(table, "u1", NOW_US).remaining, 2); /* 10 - 5 - 2 - 1 */
    /* Others who know of less, as after a flush, do not make it forget. */
    shares[0].debt_us = 0;
    rate_table_learn(table, &shares[0], NOW_US, NOW_US);
    assert_int_equal(take(table, "u1", NOW_US).remaining, 1);
    rate_table_destroy(&table);
}

/* Another limit holds from the next request on, and what was owed stays owed. */
static void test_a_limit_may_change(NO_STATE)
{
    const struct rate smaller = {2, 60}, larger = {600, 60}, off = {0, 0};
    struct rate_share shares[SHARES_MAX];
    struct rate_table *table = make_table(6, 60, 1024);
    take_times(table, "u1", 2); /* which owes 20 s now */
    rate_table_set_limit(table, RATE_USER, &smaller);
    assert_true(take(table, "u1", NOW_US).allowed);
    struct rate_verdict verdict = take(table, "u1", NOW_US);
    assert_false(verdict.allowed);
    assert_int_equal(verdict.limit.requests, 2);
    assert_int_equal(verdict.retry_after_s, 20);
    rate_table_set_limit(table, RATE_USER, &larger);
    take_times(table, "u1", 100);
    assert_false(take(table, "u1", NOW_US).allowed);
    rate_table_set_limit(table, RATE_USER, &off);
    assert_int_equal(rate_table_limit(table, RATE_USER).requests, 0);
    verdict = take(table, "u1", NOW_US);
    assert_true(verdict.allowed);
    assert_int_equal(verdict.limit.requests, 0);
    assert_int_equal(collect(table, shares, NOW_US), 0); /* nobody owes anything */
    rate_table_set_limit(table, RATE_USER, &larger);
    assert_int_equal(rate_table_limit(table, RATE_USER).seconds, 60);
    assert_false(take(table, "u1", NOW_US).allowed);
    rate_table_destroy(&table);
}

/* A debt of a day must not refuse who is far below a limit of a minute, neither here nor by what
 * others know. */
static void test_under_another_window_all_begin_anew(NO_STATE)
{
    const struct rate day = {10, 86400}, minute = {10, 60};
    struct rate_share shares[SHARES_MAX];
    struct rate_table *table = make_table(day.requests, day.seconds, 1024);
    take_times(table, "u1", 10);
    assert_int_equal(collect(table, shares, NOW_US), 1);
    rate_table_set_limit(table, RATE_USER, &minute);
    take_times(table, "u1", 5);
    shares[0].answered = true;
    shares[0].debt_us = 86400 * SECOND_US;
    rate_table_learn(table, &shares[0], NOW_US, NOW_US); /* of the day's exchange */
    rate_table_put_back(table, &shares[0]);
    take_times(table, "u1", 5);
    assert_false(take(table, "u1", NOW_US).allowed);
    rate_table_destroy(&table);
}

/* A table full of those who owe for a day has room for those who owe for a minute. */
static void test_under_another_window_all_find_room(NO_STATE)
{
    const struct rate minute = {10, 60};
    enum { CALLERS = 256 * 8 };
    char name[16];
    struct rate_table *table = make_table(1, 86400, CALLERS);
    for (int i = 0; i < 4 * CALLERS; i++) {
        snprintf(name, sizeof name, "u%d", i);
        (void)take(table, name, NOW_US);
    }
    rate_table_set_limit(table, RATE_USER, &minute);
    for (int turn = 9; turn >= 0; turn--) {
        for (int i = 0; i < CALLERS / 16; i++) {
            snprintf(name, sizeof name, "u%d", i);
            assert_int_equal(take(table, name, NOW_US).remaining, turn);
        }
    }
    rate_table_destroy(&table);
}

/* What others know of a caller comes when there is no limit any more. */
static void test_an_answer_for_a_limit_that_is_gone(NO_STATE)
{
    const struct rate off = {0, 0};
    struct rate_share shares[SHARES_MAX];
    struct rate_table *table = make_table(6, 60, 1024);
    take_times(table, "u1", 2);
    assert_int_equal(collect(table, shares, NOW_US), 1);
    rate_table_set_limit(table, RATE_USER, &off);
    shares[0].answered = true;
    shares[0].debt_us = 60 * SECOND_US;
    rate_table_learn(table, &shares[0], NOW_US, NOW_US);
    rate_table_put_back(table, &shares[0]);
    assert_int_equal(collect(table, shares, NOW_US), 0);
    rate_table_destroy(&table);
}

static void test_one_exchange_at_a_time(NO_STATE)
{
    struct rate_table *table = make_table(10, 10, 1024);
    assert_true(rate_table_is_due(table, 50, NOW_US));
    assert_false(rate_table_is_due(table, 50, NOW_US));
    assert_false(rate_table_is_due(table, 50, NOW_US + 49));
    assert_true(rate_table_is_due(table, 50, NOW_US + 50));
    rate_table_destroy(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_callers_do_not_share_a_limit),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_who_owes_nothing_is_forgotten_first),
        cmocka_unit_test(test_kinds_do_not_push_each_other_out),
        cmocka_unit_test(test_a_flood_does_not_free_who_comes_all_the_time),
        cmocka_unit_test(test_threads_share_a_limit_exactly),
        cmocka_unit_test(test_shares_are_collected_once),
        cmocka_unit_test(test_every_share_is_collected),
        cmocka_unit_test(test_shares_of_the_forgotten_are_counted),
        cmocka_unit_test(test_two_processes_learn_from_each_other),
        cmocka_unit_test(test_what_came_meanwhile_counts),
        cmocka_unit_test(test_a_limit_may_change),
        cmocka_unit_test(test_under_another_window_all_begin_anew),
        cmocka_unit_test(test_under_another_window_all_find_room),
        cmocka_unit_test(test_an_answer_for_a_limit_that_is_gone),
        cmocka_unit_test(test_one_exchange_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
