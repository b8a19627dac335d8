/* Counts: from memory, from Redis, from the primary; never older than asked for; stale when nothing
 * else is to be had. */
#include "bench.h"
#include "unit.h"

#include "rsvpd/service/counts.h"

#include <stdio.h>
#include <stdlib.h>

static const struct relation *const rsvp = &relations[RELATION_RSVP];
static const struct relation *const like = &relations[RELATION_LIKE];

/* A bench whose primary has this many RSVPs of "e", each with a version of its own. */
static struct bench *bench_with(const struct bench_setup *setup, unsigned rsvps)
{
    struct bench *bench = bench_create(setup);
    for (unsigned i = 0; i < rsvps; i++) {
        char user[16];
        snprintf(user, sizeof user, "m%u", i);
        fake_primary_change(&bench->primary, OPERATION_ADD, rsvp, "e", user, bench->now);
    }
    return bench;
}

static struct bench *without_redis(unsigned rsvps)
{
    struct bench_setup setup = bench_usual;
    setup.has_redis = false;
    return bench_with(&setup, rsvps);
}

/* A count as another process would have published it that long ago. */
static void hold(struct bench *bench, int64_t value, int64_t version, int64_t age_us)
{
    struct count count = {
        .value = value, .version = version, .as_of_wall_us = bench->now.wall_us - age_us};
    fake_redis_counts_hold(&bench->redis, rsvp, "e", &count);
}

static void expect_served(const struct bench *bench, unsigned local, unsigned redis,
                          unsigned postgres, unsigned stale)
{
    assert_int_equal(bench_metric(bench, METRIC_COUNTS_FROM_LOCAL), local);
    assert_int_equal(bench_metric(bench, METRIC_COUNTS_FROM_REDIS), redis);
    assert_int_equal(bench_metric(bench, METRIC_COUNTS_FROM_POSTGRES), postgres);
    assert_int_equal(bench_metric(bench, METRIC_COUNTS_STALE), stale);
}

static void expect_stale(const struct ask *ask, int64_t value, int64_t as_of_us)
{
    bench_expect(ask, OUTCOME_DONE);
    assert_int_equal(ask->count.value, value);
    assert_true(ask->count.stale);
    assert_int_equal(ask->count.as_of_mono_us, as_of_us);
}

/* ---- where a count comes from ---- */

static void test_from_the_truth_and_then_from_memory(NO_STATE)
{
    struct bench *bench = without_redis(3);
    const struct ask *first = bench_count(bench, "e", COUNT_BOUND_US);
    bench_expect_waiting(first);
    bench_pass(bench, 1000);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_count(first, 3, 3);
    assert_int_equal(first->count.as_of_mono_us, bench->now.mono_us);
    assert_int_equal(first->count.as_of_wall_us, bench->now.wall_us);

    bench_pass(bench, BENCH_LOCAL_US);
    const struct ask *second = bench_count(bench, "e", COUNT_BOUND_US);
    bench_expect_count(second, 3, 3); /* at once */
    assert_int_equal(second->count.as_of_wall_us, first->count.as_of_wall_us);
    expect_served(bench, 1, 0, 1, 0);

    bench_pass(bench, 1);
    const struct ask *third = bench_count(bench, "e", COUNT_BOUND_US);
    bench_expect_waiting(third);
    bench_settle(bench);
    bench_expect_count(third, 3, 3);
    assert_int_equal(bench->primary.batches_sent, 2);
    bench_finish(bench);
}

static void test_from_redis(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    hold(bench, 2, 2, SECONDS(1));
    const struct ask *ask = bench_count(bench, "e", COUNT_BOUND_US);
    int64_t held_as_of_us = bench->now.mono_us - SECONDS(1);
    bench_turn(bench);
    bench_expect_waiting(ask);
    bench_pass(bench, 7000);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_expect_count(ask, 2, 2);
    assert_int_equal(ask->count.as_of_mono_us, held_as_of_us);
    assert_int_equal(ask->count.as_of_wall_us, bench->now.wall_us - SECONDS(1) - 7000);
    assert_int_equal(bench->primary.batches_sent, 0);
    bench_expect_count(bench_count(bench, "e", COUNT_BOUND_US), 2, 2);
    expect_served(bench, 1, 1, 0, 0);
    bench_finish(bench);
}

/* A count that Redis gave once and gives again unchanged is held for another lifetime. */
static void test_the_same_from_redis_once_more(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    hold(bench, 2, 2, 0);
    for (unsigned lifetime = 1; lifetime <= 2; lifetime++) {
        const struct ask *asked = bench_count(bench, "e", COUNT_BOUND_US);
        bench_turn(bench);
        fake_redis_counts_answer(&bench->redis, bench->now);
        bench_expect_count(asked, 2, 2);
        bench_expect_count(bench_count(bench, "e", COUNT_BOUND_US), 2, 2); /* at once */
        expect_served(bench, lifetime, lifetime, 0, 0);
        bench_wait(bench, BENCH_LOCAL_US + 1);
    }
    bench_finish(bench);
}

static void test_from_the_truth_when_redis_has_none(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    const struct ask *ask = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    assert_int_equal(bench->redis.read_count, 1);
    assert_int_equal(bench->primary.batches_sent, 0);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_expect_waiting(ask);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_count(ask, 3, 3);
    expect_served(bench, 0, 0, 1, 0);
    /* What was read is handed on to the others. */
    bench_turn(bench);
    const struct redis_count *held = fake_redis_counts_held(&bench->redis, rsvp, "e");
    assert_non_null(held);
    assert_int_equal(held->count.value, 3);
    assert_int_equal(held->count.version, 3);
    assert_int_equal(held->count.as_of_wall_us, ask->count.as_of_wall_us);
    bench_finish(bench);
}

/* Not known to answer, or refusing to be asked: the primary is asked in the same iteration. */
static void test_from_the_truth_when_redis_is_away(NO_STATE)
{
    for (int way = 0; way < 2; way++) {
        struct bench *bench = bench_with(&bench_usual, 3);
        bench->redis.up = way == 0;
        bench->redis.takes = way == 1;
        const struct ask *ask = bench_count(bench, "e", COUNT_BOUND_US);
        bench_turn(bench);
        assert_int_equal(bench->redis.read_count, 0);
        assert_int_equal(fake_primary_flying(&bench->primary, POOL_READ), 1);
        bench_end(bench, POOL_READ, BATCH_DONE);
        bench_expect_count(ask, 3, 3);
        bench->redis.takes = false;
        bench_turn(bench);
        bench_finish(bench);
    }
}

/* What Redis says is believed within limits; else the primary is asked. */
static void test_what_is_believed_of_redis(NO_STATE)
{
    static const struct {
        int64_t age_us, max_age_us;
        bool believed;
    } cases[] = {
        {0, COUNT_BOUND_US, true},
        {SECONDS(2.5), COUNT_BOUND_US, true},
        /* its lifetime and half a second for the ways */
        {SECONDS(3), COUNT_BOUND_US, true},
        {SECONDS(3) + 1, COUNT_BOUND_US, false},
        {SECONDS(5), COUNT_BOUND_US, false},
        {SECONDS(100000000), COUNT_BOUND_US, false},
        /* clocks may be a second apart */
        {-1, COUNT_BOUND_US, true},
        {SECONDS(-1), COUNT_BOUND_US, true},
        {SECONDS(-1) - 1, COUNT_BOUND_US, false},
        {SECONDS(-100000000), COUNT_BOUND_US, false},
        /* what the asker accepts */
        {SECONDS(1), SECONDS(1), true},
        {SECONDS(1) + 1, SECONDS(1), false},
        {SECONDS(1), SECONDS(0.02), false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = bench_with(&bench_usual, 3);
        hold(bench, 2, 2, cases[i].age_us);
        const struct ask *ask = bench_count(bench, "e", cases[i].max_age_us);
        bench_turn(bench);
        fake_redis_counts_answer(&bench->redis, bench->now);
        if ((ask->answers == 1) != cases[i].believed) {
            fail_msg("case %zu is %sbelieved", i, cases[i].believed ? "not " : "");
        }
        bench_settle(bench);
        bench_expect_count(ask, cases[i].believed ? 2 : 3, cases[i].believed ? 2 : 3);
        bench_finish(bench);
    }
}

/* A time in the future is never handed on: the count is as of now. */
static void test_redis_with_a_clock_that_is_ahead(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    hold(bench, 2, 2, SECONDS(-0.5));
    const struct ask *ask = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_expect_count(ask, 2, 2);
    assert_int_equal(ask->count.as_of_mono_us, bench->now.mono_us);
    bench_finish(bench);
}

/* Who wants a count as new as the request is told by the primary, whatever Redis believes to know.
 */
static void test_no_clock_is_believed_about_the_present(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    hold(bench, 2, 2, SECONDS(-0.5));
    const struct ask *patient = bench_count(bench, "e", COUNT_BOUND_US);
    const struct ask *exact = bench_count(bench, "e", 0);
    bench_turn(bench);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_expect_count(patient, 2, 2);
    bench_expect_waiting(exact);
    bench_settle(bench);
    bench_expect_count(exact, 3, 3);
    bench_finish(bench);
}

/* A version that nobody has given out does not outlive the next answer of the primary. */
static void test_the_truth_corrects_redis(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    hold(bench, 77, 99, SECONDS(0.1));
    const struct ask *fooled = bench_count(bench, "e", COUNT_BOUND_US);
    bench_settle(bench);
    bench_expect_count(fooled, 77, 99);
    const struct ask *exact = bench_count(bench, "e", 0);
    bench_settle(bench);
    bench_expect_count(exact, 3, 3);
    bench_expect_count(bench_count(bench, "e", COUNT_BOUND_US), 3, 3);
    bench_finish(bench);
}

/* Memory is past its second, but what it knows is newer than what Redis says. */
static void test_redis_does_not_take_back_what_is_known(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    bench->redis.takes = false; /* the publication is lost */
    bench_add(bench, "e", "u");
    bench_settle(bench);
    bench->redis.takes = true;
    hold(bench, 3, 3, 1);
    bench_wait(bench, BENCH_LOCAL_US + 1);
    const struct ask *ask = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_expect_count(ask, 4, 4);
    bench_finish(bench);
}

/* Another worker of the process has told a count: this one tells it too, and nothing older that it
 * hears of, be it from Redis or from the primary. */
static void test_what_a_colleague_has_told(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    struct bench_setup setup = bench_usual;
    setup.colleague = bench;
    struct bench *colleague = bench_with(&setup, 2);
    const struct ask *asked_before = bench_count(colleague, "e", COUNT_BOUND_US);
    hold(colleague, 1, 1, 0);
    bench_add(bench, "e", "u");
    bench_settle(bench);
    bench_turn(colleague);
    fake_redis_counts_answer(&colleague->redis, colleague->now);
    bench_expect_count(asked_before, 4, 4);
    bench_expect_count(bench_count(colleague, "e", COUNT_BOUND_US), 4, 4); /* at once */
    bench_wait(bench, BENCH_LOCAL_US + 1);
    bench_wait(colleague, BENCH_LOCAL_US + 1);
    const struct ask *exact = bench_count(colleague, "e", 0);
    bench_settle(colleague);
    bench_expect_count(exact, 4, 4);
    bench_finish(colleague);
    bench_finish(bench);
}

static void test_relations_are_apart(NO_STATE)
{
    struct bench *bench = without_redis(3);
    struct ask *of_post = bench_ask(bench, OPERATION_COUNT, unit_id("e"), unit_id("u"));
    bench_count(bench, "e", COUNT_BOUND_US);
    bench_settle(bench);
    of_post->relation = like;
    bench_submit(of_post);
    bench_expect_waiting(of_post);
    bench_settle(bench);
    bench_expect_count(of_post, 0, 0);
    bench_finish(bench);
}

/* ---- many who wait ---- */

static void test_one_load_for_all_who_wait(NO_STATE)
{
    enum { WAITERS = 50 };
    for (int redis = 0; redis < 2; redis++) {
        struct bench *bench = redis ? bench_with(&bench_usual, 3) : without_redis(3);
        const struct ask *asks[WAITERS];
        for (size_t i = 0; i < WAITERS; i++) {
            asks[i] = bench_count(bench, "e", COUNT_BOUND_US);
            if (i % 10 == 0) {
                bench_turn(bench);
            }
        }
        assert_int_equal(bench->redis.read_count, redis);
        if (redis) {
            assert_int_equal(bench->redis.reads[0].size, 1);
            fake_redis_counts_answer(&bench->redis, bench->now);
        }
        bench_turn(bench);
        assert_int_equal(fake_primary_flight(&bench->primary, POOL_READ)->batch->size, 1);
        bench_end(bench, POOL_READ, BATCH_DONE);
        for (size_t i = 0; i < WAITERS; i++) {
            bench_expect_count(asks[i], 3, 3);
            assert_int_equal(asks[i]->place, i + 1); /* in the order of their arrival */
        }
        assert_int_equal(bench->primary.batches_sent, 1);
        expect_served(bench, 0, 0, WAITERS, 0);
        bench_finish(bench);
    }
}

/* Redis's answer is good enough for some: the primary is asked once, for the others. */
static void test_waiters_of_different_patience(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    hold(bench, 2, 2, SECONDS(1));
    const struct ask *patient = bench_count(bench, "e", COUNT_BOUND_US);
    const struct ask *picky = bench_count(bench, "e", SECONDS(0.5));
    const struct ask *exact = bench_count(bench, "e", 0);
    const struct ask *patient_too = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_expect_count(patient, 2, 2);
    bench_expect_count(patient_too, 2, 2);
    bench_expect_waiting(picky);
    bench_expect_waiting(exact);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_count(picky, 3, 3);
    bench_expect_count(exact, 3, 3);
    assert_int_equal(bench->primary.batches_sent, 1);
    bench_finish(bench);
}

static void test_all_misses_of_a_turn_are_one_read(NO_STATE)
{
    enum { ENTITIES = REDIS_COUNTS_MAX + 88 };
    struct bench_setup setup = bench_usual;
    setup.pending_max = 2 * ENTITIES;
    struct bench *bench = bench_create(&setup);
    for (unsigned i = 0; i < ENTITIES; i++) {
        struct ask *ask = bench_ask(bench, OPERATION_COUNT, unit_numbered_id("e", i), unit_id("u"));
        ask->not_before_us = bench->now.mono_us - COUNT_BOUND_US;
        bench_submit(ask);
    }
    assert_int_equal(bench->redis.read_count, 0);
    bench_turn(bench);
    assert_int_equal(bench->redis.read_count, 2);
    assert_int_equal(bench->redis.reads[0].size, REDIS_COUNTS_MAX);
    assert_int_equal(bench->redis.reads[1].size, 88);
    bench_settle(bench);
    assert_int_equal(bench->primary.batches_sent, 2);
    for (size_t i = 0; i < bench->ask_count; i++) {
        bench_expect_count(bench->asks[i], 0, 0);
    }
    bench_finish(bench);
}

/* ---- nothing older than now ---- */

static void test_max_stale_0_always_asks_the_truth(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    const struct ask *first = bench_count(bench, "e", 0);
    hold(bench, 2, 2, 0);
    bench_settle(bench);
    bench_expect_count(first, 3, 3);
    assert_int_equal(bench_metric(bench, METRIC_COUNTS_FROM_POSTGRES), 1);
    bench_pass(bench, 1); /* memory and Redis have it, one microsecond old */
    const struct ask *second = bench_count(bench, "e", 0);
    bench_turn(bench);
    assert_int_equal(bench->redis.read_count, 0);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_READ), 1);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_count(second, 3, 3);
    expect_served(bench, 0, 0, 2, 0);
    bench_finish(bench);
}

/* The primary read before the request came, and answers after: that is too old, and it is asked
 * again. */
static void test_a_load_from_before_does_not_satisfy(NO_STATE)
{
    struct bench *bench = without_redis(3);
    const struct ask *first = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_READ),
                         bench->now);
    bench_pass(bench, 1000);
    fake_primary_change(&bench->primary, OPERATION_ADD, rsvp, "e", "fourth", bench->now);
    const struct ask *second = bench_count(bench, "e", 0);
    const struct ask *third = bench_count(bench, "e", 0);
    bench_pass(bench, 1000);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_count(first, 3, 3);
    bench_expect_waiting(second);
    bench_expect_waiting(third);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_count(second, 4, 4);
    bench_expect_count(third, 4, 4);
    assert_int_equal(bench->primary.batches_sent, 2);
    bench_finish(bench);
}

/* Redis is being asked for somebody patient when somebody comes who wants nothing older than now.
 */
static void test_max_stale_0_while_redis_is_being_asked(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    hold(bench, 2, 2, 0);
    const struct ask *patient = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    bench_pass(bench, 1);
    const struct ask *exact = bench_count(bench, "e", 0);
    bench_pass(bench, 1000);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_expect_count(patient, 2, 2);
    bench_expect_waiting(exact);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_count(exact, 3, 3);
    bench_finish(bench);
}

/* The load read before a commit that the client has been told of, and ends after. */
static void test_a_late_load_does_not_take_back_what_is_known(NO_STATE)
{
    struct bench *bench = without_redis(3);
    const struct ask *first = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_READ),
                         bench->now);
    bench_wait(bench, 1000);
    const struct ask *write = bench_add(bench, "e", "u");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect_count(first, 4, 4);
    assert_int_equal(write->count.value, 4);
    bench_wait(bench, BENCH_LOCAL_US + 1);
    const struct ask *second = bench_count(bench, "e", COUNT_BOUND_US);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_count(second, 4, 4);
    bench_finish(bench);
}

/* ---- what a commit teaches ---- */

static void test_a_commit_is_published_with_its_version(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u1");
    bench_add(bench, "f", "u1");
    bench_add(bench, "e", "u2");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    assert_int_equal(bench->redis.publications, 0);
    bench_turn(bench);
    assert_int_equal(bench->redis.publications, 1);
    assert_int_equal(bench->redis.published, 2); /* an entity once, whatever changed it */
    const struct redis_count *e = fake_redis_counts_held(&bench->redis, rsvp, "e");
    const struct redis_count *f = fake_redis_counts_held(&bench->redis, rsvp, "f");
    assert_non_null(e);
    assert_non_null(f);
    assert_int_equal(e->count.value, 2);
    assert_int_equal(e->count.version, 1);
    assert_int_equal(e->count.as_of_wall_us, bench->now.wall_us);
    assert_int_equal(f->count.value, 1);
    assert_null(fake_redis_counts_held(&bench->redis, like, "e"));
    bench_turn(bench);
    assert_int_equal(bench->redis.publications, 1);
    assert_int_equal(bench_metric(bench, METRIC_PUBLISHED), 2);

    bench_finish(bench);
}

/* What changes many times in a short while goes once, as it is then. */
static void test_publications_gather(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u1");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_turn(bench);
    assert_int_equal(bench->redis.published, 1);
    int64_t first_us = bench->now.mono_us;
    for (unsigned i = 0; i < 10; i++) {
        char user[16];
        snprintf(user, sizeof user, "m%u", i);
        bench_pass(bench, 1000);
        bench_add(bench, "e", user);
        bench_end(bench, POOL_WRITE, BATCH_DONE);
        bench_turn(bench);
    }
    bench_wait(bench, first_us + PUBLISH_EVERY_US - 1 - bench->now.mono_us);
    bench_turn(bench);
    assert_int_equal(bench->redis.published, 1);
    bench_wait(bench, 1);
    bench_turn(bench);
    assert_int_equal(bench->redis.published, 2);
    const struct redis_count *e = fake_redis_counts_held(&bench->redis, rsvp, "e");
    assert_int_equal(e->count.value, 11);
    assert_int_equal(e->count.version, 11);
    bench_finish(bench);
}

/* What Redis claims meanwhile is not told to it as if it were the primary. */
static void test_what_redis_says_is_not_published(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    for (unsigned i = 0; i < 2; i++) {
        bench_add(bench, "e", i == 0 ? "u1" : "u2");
        bench_end(bench, POOL_WRITE, BATCH_DONE);
        bench_turn(bench);
    }
    assert_int_equal(bench->redis.published, 1);
    bench_pass(bench, SECONDS(0.02));
    hold(bench, 77, 99, 0);
    const struct ask *fooled = bench_count(bench, "e", SECONDS(0.015));
    bench_turn(bench);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_expect_count(fooled, 77, 99);
    bench_wait(bench, PUBLISH_EVERY_US);
    bench_turn(bench);
    assert_int_equal(bench->redis.published, 1);
    bench_finish(bench);
}

static void test_nothing_is_published_that_did_not_commit(NO_STATE)
{
    static const enum batch_outcome ends[] = {BATCH_ROLLED_BACK, BATCH_LOCKED, BATCH_REJECTED,
                                              BATCH_UNAVAILABLE, BATCH_LOST};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct bench *bench = bench_create(&bench_usual);
        bench_add(bench, "e", "u1");
        bench_end(bench, POOL_WRITE, ends[i]);
        bench_turn(bench);
        assert_int_equal(bench->redis.publications, 0);
        assert_int_equal(bench_metric(bench, METRIC_PUBLISHED), 0);
        bench_finish(bench);
    }
}

/* Also of a write that nobody waits for any more. */
static void test_the_worker_sees_its_own_commits(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u1");
    bench_turn(bench);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect_count(bench_count(bench, "e", COUNT_BOUND_US), 1, 1);
    bench_pass(bench, 1);
    bench_remove(bench, "e", "u1");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect_count(bench_count(bench, "e", COUNT_BOUND_US), 0, 2);
    expect_served(bench, 2, 0, 0, 0);
    bench_finish(bench);
}

/* A commit answers those who wait for Redis; what Redis then says is older and changes nothing. */
static void test_a_commit_answers_those_who_wait(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    hold(bench, 3, 3, SECONDS(0.1));
    const struct ask *waiting = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    bench_add(bench, "e", "u1");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect_count(waiting, 4, 4);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_expect_count(bench_count(bench, "e", COUNT_BOUND_US), 4, 4);
    bench_finish(bench);
}

static void test_publications_that_redis_does_not_take_are_counted(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench->redis.takes = false;
    bench_add(bench, "e", "u1");
    bench_add(bench, "f", "u1");
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_turn(bench);
    assert_int_equal(bench_metric(bench, METRIC_PUBLISH_DROPPED), 2);
    assert_int_equal(bench_metric(bench, METRIC_PUBLISHED), 0);
    bench->redis.takes = true; /* they are dropped, not kept for later */
    bench_turn(bench);
    assert_int_equal(bench->redis.publications, 0);
    bench_finish(bench);
}

/* More counts than a publication holds go in several, one a iteration. */
static void test_many_publications(NO_STATE)
{
    enum { ENTITIES = REDIS_COUNTS_MAX + 50 };
    struct bench_setup setup = bench_usual;
    setup.pending_max = ENTITIES;
    setup.write_connections = 2;
    struct bench *bench = bench_create(&setup);
    for (unsigned i = 0; i < ENTITIES; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_numbered_id("e", i), unit_id("u")));
    }
    bench_turn(bench);
    while (bench->primary.flight_count > 0) {
        fake_primary_end(&bench->primary, &bench->primary.flights[0], BATCH_DONE, bench->now);
    }
    bench_turn(bench);
    assert_int_equal(bench->redis.publications, 1);
    assert_int_equal(bench->redis.published, REDIS_COUNTS_MAX);
    bench_turn(bench);
    assert_int_equal(bench->redis.publications, 2);
    assert_int_equal(bench->redis.published, ENTITIES);
    assert_int_equal(bench_metric(bench, METRIC_PUBLISHED), ENTITIES);
    bench_finish(bench);
}

/* ---- when there is none to be had ---- */

static void test_stale_while_the_truth_is_unavailable(NO_STATE)
{
    static const struct {
        int64_t age_us, max_age_us;
        bool served, stale;
    } cases[] = {
        /* memory's second is over, the bound is not: as good as fresh */
        {SECONDS(3), COUNT_BOUND_US, true, false},
        {COUNT_BOUND_US, COUNT_BOUND_US, true, false},
        {COUNT_BOUND_US + 1, COUNT_BOUND_US, true, true},
        {SECONDS(3), SECONDS(1), true, true}, /* not for somebody who wants better */
        {SECONDS(3), 0, true, true},
        {SECONDS(60), COUNT_BOUND_US, true, true},
        {SECONDS(600), COUNT_BOUND_US, true, true},
        {SECONDS(600) + 1, COUNT_BOUND_US, false, true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = without_redis(3);
        const struct ask *known = bench_count(bench, "e", COUNT_BOUND_US);
        bench_settle(bench);
        bench_wait(bench, cases[i].age_us);
        fake_primary_set_up(&bench->primary, false, bench->now);
        const struct ask *ask = bench_count(bench, "e", cases[i].max_age_us);
        bench_expect(ask, cases[i].served ? OUTCOME_DONE : OUTCOME_UNAVAILABLE);
        if (cases[i].served) {
            assert_int_equal(ask->count.stale, cases[i].stale);
            assert_int_equal(ask->count.value, 3);
            assert_int_equal(ask->count.as_of_mono_us, known->count.as_of_mono_us);
            assert_int_equal(ask->count.as_of_wall_us, known->count.as_of_wall_us);
        }
        expect_served(bench, 0, 0, 1, cases[i].served);
        bench_finish(bench);
    }
}

static void test_none_known(NO_STATE)
{
    for (int redis = 0; redis < 2; redis++) {
        struct bench *bench = redis ? bench_with(&bench_usual, 3) : without_redis(3);
        fake_primary_set_up(&bench->primary, false, bench->now);
        const struct ask *ask = bench_count(bench, "e", COUNT_BOUND_US);
        bench_turn(bench);
        if (redis) {
            fake_redis_counts_answer(&bench->redis, bench->now);
        }
        bench_expect(ask, OUTCOME_UNAVAILABLE);
        bench_finish(bench);
    }
}

/* Redis goes on to answer while the primary is away. */
static void test_redis_helps_while_the_truth_is_unavailable(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    fake_primary_set_up(&bench->primary, false, bench->now);
    hold(bench, 3, 3, SECONDS(1));
    const struct ask *ask = bench_count(bench, "e", COUNT_BOUND_US);
    bench_settle(bench);
    bench_expect_count(ask, 3, 3);
    bench_finish(bench);
}

/* The primary goes while it is being asked: those who wait get what was known, at once. */
static void test_the_truth_goes_while_it_is_asked(NO_STATE)
{
    struct bench *bench = without_redis(3);
    const struct ask *known = bench_count(bench, "e", COUNT_BOUND_US);
    bench_settle(bench);
    bench_wait(bench, SECONDS(10));
    const struct ask *waiting = bench_count(bench, "e", COUNT_BOUND_US);
    const struct ask *unknown = bench_count(bench, "f", COUNT_BOUND_US);
    bench_turn(bench);
    fake_primary_set_up(&bench->primary, false, bench->now);
    expect_stale(waiting, 3, known->count.as_of_mono_us);
    bench_expect(unknown, OUTCOME_UNAVAILABLE);
    bench_finish(bench);
}

/* Whoever asks hangs: the deadline brings what was known. What comes later is taken in. */
static void test_the_deadline_of_a_count(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    const struct ask *known = bench_count(bench, "e", COUNT_BOUND_US);
    bench_settle(bench);
    bench_wait(bench, SECONDS(10));
    const struct ask *waiting = bench_count(bench, "e", COUNT_BOUND_US);
    const struct ask *unknown = bench_count(bench, "f", COUNT_BOUND_US);
    bench_turn(bench);
    bench_wait(bench, BENCH_DEADLINE_US);
    bench_expect_waiting(waiting);
    bench_wait(bench, SECONDS(0.03));
    expect_stale(waiting, 3, known->count.as_of_mono_us);
    bench_expect(unknown, OUTCOME_UNAVAILABLE);
    hold(bench, 9, 9, SECONDS(0.1));
    fake_redis_counts_answer(&bench->redis, bench->now); /* at last */
    bench_turn(bench);
    assert_int_equal(bench->primary.batches_sent, 1); /* nobody waits: the primary is not asked */
    bench_expect_count(bench_count(bench, "e", COUNT_BOUND_US), 9, 9);
    bench_finish(bench);
}

/* Who waits for a load has a deadline of their own, whoever began it. */
/* The loop stood still between the answer's arrival and its reading. */
static void test_an_answer_that_lay_about(NO_STATE)
{
    struct bench *bench = without_redis(3);
    const struct ask *ask = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    int64_t read_us = bench->now.mono_us;
    fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_READ),
                         bench->now);
    bench_pass(bench, COUNT_BOUND_US + 1);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_waiting(ask);
    bench_tick(bench);
    expect_stale(ask, 3, read_us);
    bench_finish(bench);
}

static void test_deadlines_of_those_who_share_a_load(NO_STATE)
{
    struct bench *bench = without_redis(3);
    struct ask *hasty = bench_ask(bench, OPERATION_COUNT, unit_id("e"), unit_id("u"));
    const struct ask *first = bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    hasty->deadline_us = bench->now.mono_us + SECONDS(0.5);
    bench_submit(hasty);
    bench_wait(bench, SECONDS(0.6));
    bench_expect(hasty, OUTCOME_UNAVAILABLE);
    bench_expect_waiting(first);
    bench_end(bench, POOL_READ, BATCH_DONE);
    bench_expect_count(first, 3, 3);
    bench_finish(bench);
}

/* Every operation is taken, so that none is left to ask the primary with. */
static void test_no_operation_left_for_a_load(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 1;
    setup.has_redis = false;
    struct bench *bench = bench_with(&setup, 3);
    const struct ask *ask = bench_count(bench, "e", COUNT_BOUND_US);
    bench_expect(ask, OUTCOME_OVERLOADED);
    bench_finish(bench);
}

static void note_refusal(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    (void)now_us;
    assert_int_equal(outcome, OUTCOME_OVERLOADED);
    ++*(unsigned *)operation->owner;
}

static void learn(struct counts *counts, unsigned number, int64_t now_us)
{
    struct identifier entity = unit_numbered_id("e", number);
    struct count count = {.value = 1, .version = 1, .as_of_mono_us = now_us};
    counts_learn(counts, rsvp, &entity, &count, now_us);
}

/* When all that the cache holds waits to be published, one more is refused, though the process
 * learns of it, and what is held is served as ever. */
static void test_no_entry_left(NO_STATE)
{
    enum { ENTRIES = 8192, MEMORY = 4096, NOW_US = 1000 };
    const struct redis_counts_port shared = {0};
    struct counts counts;
    struct operations operations;
    struct metrics *metrics = metrics_create();
    unsigned refusals = 0, served = 0;
    assert_true(operations_init(&operations, 1, BENCH_DEADLINE_US, NOW_US));
    struct count_memory *memory = count_memory_create(MEMORY, 42);
    assert_non_null(memory);
    assert_true(counts_init(&counts, &operations, NULL, memory, ENTRIES, &shared, metrics,
                            BENCH_DEADLINE_US, BENCH_LOCAL_US, BENCH_SHARED_US));
    while (served < ENTRIES) {
        learn(&counts, served++, NOW_US);
    }
    assert_int_equal(counts.caches[rsvp->id].slab_used, ENTRIES);
    for (unsigned twice = 1; twice <= 2; twice++) {
        struct operation *operation = operations_take(&operations);
        assert_non_null(operation);
        operation->kind = OPERATION_COUNT;
        operation->relation = rsvp;
        operation->entity = unit_numbered_id("e", served);
        operation->deadline_us = NOW_US + BENCH_DEADLINE_US;
        operation->done = note_refusal;
        operation->owner = &refusals;
        operations_watch(&operations, operation);
        counts_submit(&counts, operation, NOW_US);
        assert_int_equal(refusals, twice);
        learn(&counts, served, NOW_US);
    }
    struct identifier entity = unit_numbered_id("e", served);
    struct count_view view = {.slot = NULL};
    count_memory_look(memory,
                      &(struct count_key){rsvp, &entity, hash_bytes(42, identifier_slice(&entity))},
                      &view);
    assert_non_null(view.slot);
    assert_int_equal(view.held.count.version, 1);
    counts_free(&counts);
    count_memory_destroy(&memory);
    operations_free(&operations);
    free(metrics);
}

/* As the handler does it: not_before is read off the clock a moment before the submission. */
static void test_max_stale_0_submitted_a_microsecond_later(NO_STATE)
{
    struct bench *bench = bench_with(&bench_usual, 3);
    struct ask *ask = bench_ask(bench, OPERATION_COUNT, unit_id("e"), unit_id("u"));
    hold(bench, 2, 2, SECONDS(-0.3)); /* old, by a host whose clock is ahead */
    ask->not_before_us = bench->now.mono_us;
    bench_pass(bench, 1);
    bench_submit(ask);
    bench_settle(bench);
    bench_expect_count(ask, 3, 3);
    bench_finish(bench);
}

static void test_expired_counts_are_counted(NO_STATE)
{
    struct bench *bench = without_redis(3);
    bench_count(bench, "e", COUNT_BOUND_US);
    bench_count(bench, "e", COUNT_BOUND_US);
    bench_count(bench, "e", COUNT_BOUND_US);
    bench_turn(bench);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    assert_int_equal(bench_metric(bench, METRIC_EXPIRED), 3);
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_from_the_truth_and_then_from_memory),
        cmocka_unit_test(test_from_redis),
        cmocka_unit_test(test_the_same_from_redis_once_more),
        cmocka_unit_test(test_from_the_truth_when_redis_has_none),
        cmocka_unit_test(test_from_the_truth_when_redis_is_away),
        cmocka_unit_test(test_what_is_believed_of_redis),
        cmocka_unit_test(test_redis_with_a_clock_that_is_ahead),
        cmocka_unit_test(test_no_clock_is_believed_about_the_present),
        cmocka_unit_test(test_the_truth_corrects_redis),
        cmocka_unit_test(test_redis_does_not_take_back_what_is_known),
        cmocka_unit_test(test_what_a_colleague_has_told),
        cmocka_unit_test(test_relations_are_apart),
        cmocka_unit_test(test_one_load_for_all_who_wait),
        cmocka_unit_test(test_waiters_of_different_patience),
        cmocka_unit_test(test_all_misses_of_a_turn_are_one_read),
        cmocka_unit_test(test_max_stale_0_always_asks_the_truth),
        cmocka_unit_test(test_a_load_from_before_does_not_satisfy),
        cmocka_unit_test(test_max_stale_0_while_redis_is_being_asked),
        cmocka_unit_test(test_a_late_load_does_not_take_back_what_is_known),
        cmocka_unit_test(test_expired_counts_are_counted),
        cmocka_unit_test(test_max_stale_0_submitted_a_microsecond_later),
        cmocka_unit_test(test_a_commit_is_published_with_its_version),
        cmocka_unit_test(test_publications_gather),
        cmocka_unit_test(test_what_redis_says_is_not_published),
        cmocka_unit_test(test_nothing_is_published_that_did_not_commit),
        cmocka_unit_test(test_the_worker_sees_its_own_commits),
        cmocka_unit_test(test_a_commit_answers_those_who_wait),
        cmocka_unit_test(test_publications_that_redis_does_not_take_are_counted),
        cmocka_unit_test(test_many_publications),
        cmocka_unit_test(test_stale_while_the_truth_is_unavailable),
        cmocka_unit_test(test_none_known),
        cmocka_unit_test(test_redis_helps_while_the_truth_is_unavailable),
        cmocka_unit_test(test_the_truth_goes_while_it_is_asked),
        cmocka_unit_test(test_the_deadline_of_a_count),
        cmocka_unit_test(test_an_answer_that_lay_about),
        cmocka_unit_test(test_deadlines_of_those_who_share_a_load),
        cmocka_unit_test(test_no_operation_left_for_a_load),
        cmocka_unit_test(test_no_entry_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
