/* Operations on their way to the primary and back: what becomes of them however a batch ends. */
#include "bench.h"
#include "unit.h"

#include "rsvpd/service/dispatch.h"

enum { KINDS = OPERATION_CLEAR_SETTINGS + 1, READS_END = OPERATION_SETTINGS + 1 };

/* With this many connections what ask_one_of_each asks goes all at once. */
static const struct bench_setup one_of_each = {
    .pending_max = 64,
    .write_connections = 3,
    .read_connections = READS_END - OPERATION_LOOKUP,
    .has_redis = false,
    .local_lifetime_us = BENCH_LOCAL_US,
};

static struct ask *ask_of(struct bench *bench, enum operation_kind kind)
{
    static const char *const users[KINDS] = {"added", "removed", "sought", "counted",
                                             "found", "listed",  "lister", "waiting",
                                             "asked", "given",   "taken"};
    const char *entity = kind == OPERATION_STORE_SETTINGS   ? "f"
                         : kind == OPERATION_CLEAR_SETTINGS ? "g"
                                                            : "e";
    struct ask *ask = bench_ask(bench, kind, unit_id(entity), unit_id(users[kind]));
    ask->not_before_us = bench->now.mono_us;
    bench_submit(ask);
    return ask;
}

static void ask_one_of_each(struct bench *bench, const struct ask *asks[KINDS])
{
    for (int kind = 0; kind < KINDS; kind++) {
        asks[kind] = ask_of(bench, (enum operation_kind)kind);
    }
}

/* A turn, and then all that is under way ends that way. */
static void end_all(struct bench *bench, enum batch_outcome outcome)
{
    bench_turn(bench);
    while (bench->primary.flight_count > 0) {
        fake_primary_end(&bench->primary, &bench->primary.flights[0], outcome, bench->now);
    }
}

static bool is_write(enum operation_kind kind)
{
    return kind == OPERATION_ADD || kind == OPERATION_REMOVE || kind == OPERATION_STORE_SETTINGS ||
           kind == OPERATION_CLEAR_SETTINGS;
}

static enum pool lane_of(enum operation_kind kind)
{
    return is_write(kind) ? POOL_WRITE : POOL_READ;
}

static void expect_each(const struct ask *const asks[KINDS], enum outcome of_writes,
                        enum outcome of_reads)
{
    for (int kind = 0; kind < KINDS; kind++) {
        bench_expect(asks[kind], is_write((enum operation_kind)kind) ? of_writes : of_reads);
    }
}

static void expect_each_waiting(const struct ask *const asks[KINDS])
{
    for (int kind = 0; kind < KINDS; kind++) {
        bench_expect_waiting(asks[kind]);
    }
}

static void test_results(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    static const struct {
        enum operation_kind kind;
        bool changed, member;
        int64_t count;
    } steps[] = {
        {OPERATION_LOOKUP, false, false, 0}, {OPERATION_ADD, true, true, 1},
        {OPERATION_LOOKUP, false, true, 0},  {OPERATION_ADD, false, true, 1},
        {OPERATION_REMOVE, true, false, 0},  {OPERATION_LOOKUP, false, false, 0},
        {OPERATION_REMOVE, false, false, 0},
    };
    for (size_t i = 0; i < LENGTH(steps); i++) {
        struct ask *ask = bench_ask(bench, steps[i].kind, unit_id("e"), unit_id("u"));
        bench_submit(ask);
        bench_expect_waiting(ask);
        bench_pass(bench, 1000);
        bench_end(bench, lane_of(steps[i].kind), BATCH_DONE);
        bench_expect(ask, OUTCOME_DONE);
        assert_int_equal(ask->changed, steps[i].changed);
        assert_int_equal(ask->member, steps[i].member);
        assert_int_equal(ask->count.value, steps[i].count);
    }
    bench_finish(bench);
}

/* Finding says since when; a listing is a page of its own, in order, and freed with its operation.
 */
static void test_results_of_listings(NO_STATE)
{
    static const char *const users[] = {"d", "a", "c", "b"};
    struct bench *bench = bench_create(&one_of_each);
    int64_t since_us = bench->now.wall_us;
    for (size_t i = 0; i < LENGTH(users); i++) {
        fake_primary_change(&bench->primary, OPERATION_ADD, &relations[RELATION_RSVP], "e",
                            users[i], bench->now);
    }
    bench_pass(bench, SECONDS(1));
    struct ask *found = bench_ask(bench, OPERATION_FIND, unit_id("e"), unit_id("c"));
    struct ask *missed = bench_ask(bench, OPERATION_FIND, unit_id("f"), unit_id("c"));
    struct ask *members = bench_ask(bench, OPERATION_LIST_USERS, unit_id("e"), unit_id("-"));
    struct ask *entities = bench_ask(bench, OPERATION_LIST_ENTITIES, unit_id("-"), unit_id("c"));
    struct ask *asks[] = {found, missed, members, entities};
    for (size_t i = 0; i < LENGTH(asks); i++) {
        bench_submit(asks[i]);
    }
    end_all(bench, BATCH_LOST);
    bench_settle(bench);
    assert_true(found->member && !missed->member);
    assert_int_equal(found->created_at_us, since_us);
    assert_int_equal(members->lines, BENCH_PAGE_SIZE);
    assert_int_equal(entities->lines, 1);
    bench_finish(bench);
}

/* How operations end when their first batch ends so, and they are done if they are sent again. */
static void test_every_end_of_a_batch(NO_STATE)
{
    static const struct {
        enum batch_outcome end;
        bool again;
        enum outcome outcome;
    } cases[] = {
        {BATCH_DONE, false, OUTCOME_DONE},  {BATCH_ROLLED_BACK, true, OUTCOME_DONE},
        {BATCH_LOCKED, true, OUTCOME_DONE}, {BATCH_UNAVAILABLE, false, OUTCOME_UNAVAILABLE},
        {BATCH_LOST, true, OUTCOME_DONE},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = bench_create(&one_of_each);
        const struct ask *asks[KINDS];
        ask_one_of_each(bench, asks);
        end_all(bench, cases[i].end);
        if (cases[i].again) {
            expect_each_waiting(asks);
            bench_settle(bench);
        }
        expect_each(asks, cases[i].outcome, cases[i].outcome);
        bench_turn(bench);
        assert_int_equal(bench->primary.flight_count, 0);
        bench_finish(bench);
    }
}

/* An operation that is rejected when it goes alone is not sent again. */
static void test_rejected_alone(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    for (int kind = 0; kind < KINDS; kind++) {
        const struct ask *ask = ask_of(bench, (enum operation_kind)kind);
        bench_end(bench, lane_of(ask->kind), BATCH_REJECTED);
        bench_expect(ask, OUTCOME_FAILED);
        bench_turn(bench);
        assert_int_equal(bench->primary.flight_count, 0);
    }
    bench_finish(bench);
}

/* Settings that are not as the request has them stay as they are, and it is not sent again; unless
 * an earlier attempt, which was lost, may have made them so. */
static void test_an_unmet_precondition(NO_STATE)
{
    static const enum operation_kind kinds[] = {OPERATION_STORE_SETTINGS, OPERATION_CLEAR_SETTINGS};
    struct bench *bench = bench_create(&bench_usual);
    for (size_t i = 0; i < LENGTH(kinds) * 2; i++) {
        const struct ask *ask = ask_of(bench, kinds[i / 2]);
        if (i % 2 == 1) {
            bench_end(bench, POOL_WRITE, BATCH_LOST);
            bench_turn(bench);
        }
        bench_end(bench, POOL_WRITE, BATCH_UNMET);
        bench_expect(ask, i % 2 == 1 ? OUTCOME_UNKNOWN : OUTCOME_UNMET);
        bench_turn(bench);
        assert_int_equal(bench->primary.flight_count, 0);
    }
    bench_finish(bench);
}

/* After a loss nobody knows whether the write was done: what then ends badly is not known to be
 * undone. A read does nothing that could be done. */
static void test_a_bad_end_after_a_loss(NO_STATE)
{
    static const struct {
        enum batch_outcome then;
        enum outcome of_writes, of_reads;
    } cases[] = {
        {BATCH_DONE, OUTCOME_DONE, OUTCOME_DONE},
        {BATCH_REJECTED, OUTCOME_UNKNOWN, OUTCOME_FAILED},
        {BATCH_UNAVAILABLE, OUTCOME_UNKNOWN, OUTCOME_UNAVAILABLE},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = bench_create(&one_of_each);
        const struct ask *asks[KINDS];
        ask_one_of_each(bench, asks);
        end_all(bench, BATCH_LOST);
        end_all(bench, BATCH_ROLLED_BACK); /* which also parts the two writes */
        bench_turn(bench);
        while (bench->primary.flight_count > 0) {
            end_all(bench, cases[i].then);
            bench_turn(bench);
        }
        expect_each(asks, cases[i].of_writes, cases[i].of_reads);
        bench_finish(bench);
    }
}

/* A batch that is lost after it took effect: the second time it changes nothing more. */
static void test_a_write_that_took_effect_before_it_was_lost(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_turn(bench);
    fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_WRITE),
                         bench->now);
    bench_end(bench, POOL_WRITE, BATCH_LOST);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(ask, OUTCOME_DONE);
    assert_true(ask->member);
    assert_int_equal(ask->count.value, 1);
    assert_int_equal(ask->executed, 2);
    bench_finish(bench);
}

/* ---- deadlines ---- */

/* What is said at the deadline; and that the batch may then still end in any way without a second
 * answer. */
static void test_the_deadline_of_what_was_sent(NO_STATE)
{
    static const enum batch_outcome ends[] = {BATCH_DONE,     BATCH_ROLLED_BACK, BATCH_LOCKED,
                                              BATCH_REJECTED, BATCH_UNAVAILABLE, BATCH_LOST};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct bench *bench = bench_create(&one_of_each);
        const struct ask *asks[KINDS];
        ask_one_of_each(bench, asks);
        bench_turn(bench);
        bench_wait(bench, BENCH_DEADLINE_US);
        expect_each_waiting(asks);
        bench_wait(bench, SECONDS(0.03));
        expect_each(asks, OUTCOME_UNKNOWN, OUTCOME_UNAVAILABLE);
        end_all(bench, ends[i]);
        bench_turn(bench);
        assert_int_equal(bench->primary.flight_count, 0); /* nobody wants it any more */
        bench_finish(bench);
    }
}

static void test_the_deadline_of_what_was_never_sent(NO_STATE)
{
    struct bench *bench = bench_create(&one_of_each);
    const struct ask *asks[KINDS];
    ask_one_of_each(bench, asks);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    expect_each(asks, OUTCOME_UNAVAILABLE, OUTCOME_UNAVAILABLE);
    bench_turn(bench);
    assert_int_equal(bench->primary.batches_sent, 0);
    bench_finish(bench);
}

/* A write that was rolled back was not done; one that was lost may have been. */
static void test_the_deadline_of_what_waits_to_go_again(NO_STATE)
{
    static const struct {
        enum batch_outcome end;
        enum outcome of_writes;
    } cases[] = {
        {BATCH_ROLLED_BACK, OUTCOME_UNAVAILABLE},
        {BATCH_LOCKED, OUTCOME_UNAVAILABLE},
        {BATCH_LOST, OUTCOME_UNKNOWN},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = bench_create(&one_of_each);
        const struct ask *asks[KINDS];
        ask_one_of_each(bench, asks);
        end_all(bench, cases[i].end);
        bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
        expect_each(asks, cases[i].of_writes, OUTCOME_UNAVAILABLE);
        bench_finish(bench);
    }
}

/* The second write of a key waits for the first, which is with Postgres past both deadlines. */
static void test_the_deadline_of_what_is_chained(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *first = bench_add(bench, "e", "u");
    const struct ask *second = bench_remove(bench, "e", "u");
    const struct ask *third = bench_add(bench, "e", "u");
    bench_turn(bench);
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    bench_expect(first, OUTCOME_UNKNOWN);
    bench_expect(second, OUTCOME_UNAVAILABLE);
    bench_expect(third, OUTCOME_UNAVAILABLE);
    const struct ask *fourth = bench_remove(bench, "e", "u");
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    bench_end(bench, POOL_WRITE, BATCH_DONE); /* the first, at last */
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(fourth, OUTCOME_DONE);
    assert_true(fourth->changed);
    assert_int_equal(first->executed, 1);
    assert_int_equal(second->executed + third->executed, 0);
    bench_finish(bench);
}

/* Those who were answered meanwhile do not go again with those who were not. */
static void test_who_is_answered_is_not_sent_again(NO_STATE)
{
    static const enum batch_outcome ends[] = {BATCH_LOST, BATCH_ROLLED_BACK, BATCH_LOCKED,
                                              BATCH_REJECTED, BATCH_MISROUTED};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct bench *bench = bench_create(&bench_usual);
        struct ask *early = bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_id("early"));
        early->deadline_us = bench->now.mono_us + SECONDS(0.5);
        bench_submit(early);
        const struct ask *behind = bench_remove(bench, "e", "early");
        const struct ask *late = bench_add(bench, "e", "late");
        bench_turn(bench);
        bench_wait(bench, SECONDS(0.6));
        bench_expect(early, OUTCOME_UNKNOWN);
        bench_expect_waiting(late);
        bench_end(bench, POOL_WRITE, ends[i]);
        bench_turn(bench);
        bench_settle(bench);
        bench_expect(late, OUTCOME_DONE);
        bench_expect(behind, OUTCOME_DONE);
        assert_int_equal(early->sent, 1);
        assert_int_equal(early->executed, 0);
        bench_finish(bench);
    }
}

static void test_expired_requests_are_counted(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u");
    bench_add(bench, "e", "u");
    bench_lookup(bench, "e", "u");
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    assert_int_equal(bench_metric(bench, METRIC_EXPIRED), 3);
    bench_finish(bench);
}

/* ---- order ---- */

static void test_writes_of_a_key_are_answered_in_order(NO_STATE)
{
    enum { WRITES = 7 };
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *asks[WRITES];
    for (size_t i = 0; i < WRITES; i++) {
        asks[i] = i % 2 == 0 ? bench_add(bench, "e", "u") : bench_remove(bench, "e", "u");
    }
    for (size_t i = 0; i < WRITES; i++) {
        bench_end(bench, POOL_WRITE, BATCH_LOST);
        bench_end(bench, POOL_WRITE, BATCH_DONE);
        bench_expect(asks[i], OUTCOME_DONE);
        assert_true(asks[i]->changed);
        assert_int_equal(asks[i]->member, i % 2 == 0);
        assert_int_equal(asks[i]->place, i + 1);
        assert_true(i + 1 == WRITES || asks[i + 1]->answers == 0);
    }
    assert_int_equal(bench->primary.batches_sent, 2 * WRITES);
    bench_finish(bench);
}

/* Also with more connections than one: the fake primary refuses a key that is under way already. */
static void test_a_key_is_on_one_connection_at_a_time(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 3;
    struct bench *bench = bench_create(&setup);
    bench_add(bench, "e", "u");
    bench_turn(bench);
    const struct ask *chained = bench_remove(bench, "e", "u");
    const struct ask *other = bench_add(bench, "e", "v");
    bench_wait(bench, BATCH_DELAY_US);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    fake_primary_end(&bench->primary, &bench->primary.flights[1], BATCH_DONE, bench->now);
    bench_expect(other, OUTCOME_DONE);
    bench_expect_waiting(chained);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
    bench_settle(bench);
    bench_expect(chained, OUTCOME_DONE);
    bench_finish(bench);
}

/* ---- poison ---- */

static bool is_poison(const struct operation *operation)
{
    return operation->user.data[0] == 'p';
}

/* Ends flights as Postgres would when it can never accept some operations. */
static void settle_with_poison(struct bench *bench, enum pool pool)
{
    bench_turn(bench);
    while (fake_primary_flying(&bench->primary, pool) > 0) {
        struct flight *flight = fake_primary_flight(&bench->primary, pool);
        bool poisoned = false;
        for (size_t i = 0; i < flight->batch->size; i++) {
            poisoned = poisoned || is_poison(flight->batch->operations[i]);
        }
        fake_primary_end(&bench->primary, flight, poisoned ? BATCH_REJECTED : BATCH_DONE,
                         bench->now);
        bench_turn(bench);
    }
}

/* Submits this many, of which the poisonous ones are told by their user's first letter. Sorted by
 * the primary, they stand elsewhere in the batch than they came. */
static void ask_with_poison(struct bench *bench, enum operation_kind kind, struct ask **asks,
                            const bool *poisonous, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned number = (unsigned)bench->ask_count;
        asks[i] = bench_ask(bench, kind, unit_numbered_id("e", i * 7 % 5),
                            unit_numbered_id(poisonous[i] ? "p" : "u", number));
        bench_submit(asks[i]);
    }
}

static void expect_only_poison_to_fail(struct ask *const *asks, const bool *poisonous,
                                       unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bench_expect(asks[i], poisonous[i] ? OUTCOME_FAILED : OUTCOME_DONE);
        assert_int_equal(asks[i]->executed, !poisonous[i] && is_write(asks[i]->kind));
    }
}

/* At every place in batches of every size: the poisonous one fails, alone. */
static void test_one_poisonous_operation_fails_alone(NO_STATE)
{
    enum { LARGEST = 20 };
    static const enum operation_kind kinds[] = {OPERATION_ADD, OPERATION_LOOKUP};
    for (size_t k = 0; k < LENGTH(kinds); k++) {
        struct bench *bench = bench_create(&bench_usual);
        for (unsigned i = 0; i < LARGEST * LARGEST; i++) {
            unsigned size = i / LARGEST + 1, at = i % LARGEST;
            bool poisonous[LARGEST] = {false};
            struct ask *asks[LARGEST];
            size_t sent_before = bench->primary.batches_sent;
            poisonous[at] = true;
            ask_with_poison(bench, kinds[k], asks, poisonous, size);
            settle_with_poison(bench, lane_of(kinds[k]));
            expect_only_poison_to_fail(asks, poisonous, size);
            /* halved each time: not one by one */
            assert_true(bench->primary.batches_sent - sent_before <= 2 * 5 + 1);
        }
        bench_finish(bench);
    }
}

static void test_several_poisonous_operations(NO_STATE)
{
    enum { COUNT = 40 };
    struct random random = unit_random(1);
    struct bench *bench = bench_create(&bench_usual);
    for (int round = 0; round < 50; round++) {
        struct ask *asks[COUNT];
        bool poisonous[COUNT];
        unsigned percent = unit_below(&random, 101);
        for (unsigned i = 0; i < COUNT; i++) {
            poisonous[i] = unit_percent(&random, percent);
        }
        ask_with_poison(bench, OPERATION_ADD, asks, poisonous, COUNT);
        settle_with_poison(bench, POOL_WRITE);
        expect_only_poison_to_fail(asks, poisonous, COUNT);
    }
    bench_finish(bench);
}

/* A loss does not put together again what was rejected: it would be rejected for ever. */
static void test_a_batch_that_was_split_stays_split(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 2;
    struct bench *bench = bench_create(&setup);
    for (unsigned i = 0; i < 8; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
    }
    end_all(bench, BATCH_REJECTED);
    end_all(bench, BATCH_LOST); /* both halves */
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    assert_int_equal(bench->primary.flights[0].batch->size, 4);
    assert_int_equal(bench->primary.flights[1].batch->size, 4);
    bench_settle(bench);
    bench_finish(bench);
}

static void expect_halves(enum batch_outcome end, bool each)
{
    struct bench *bench = bench_create(&bench_usual);
    for (unsigned i = 0; i < 8; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
    }
    for (size_t size = 8; size > 1; size /= 2) {
        for (size_t part = 0; part < (each ? 8 / size : 1); part++) {
            bench_turn(bench);
            assert_int_equal(fake_primary_flight(&bench->primary, POOL_WRITE)->batch->size, size);
            bench_end(bench, POOL_WRITE, end);
        }
    }
    bench_settle(bench);
    bench_finish(bench);
}

/* Those that share a batch with a row that somebody else has locked come free of it; and each part
 * has its turn before any has its next. */
static void test_a_batch_that_fails_again_and_again_gets_smaller(NO_STATE)
{
    expect_halves(BATCH_ROLLED_BACK, false);
    expect_halves(BATCH_LOCKED, true);
}

static void expect_flying(const struct bench *bench, size_t flight, enum write_path path,
                          const char *entity, size_t size)
{
    const struct batch *batch = bench->primary.flights[flight].batch;
    const struct identifier expected = unit_id(entity);
    assert_int_equal(batch->path, path);
    assert_int_equal(batch->size, size);
    for (size_t i = 0; i < size; i++) {
        assert_true(identifier_equal(&batch->operations[i]->entity, &expected));
    }
}

/* Whoever may wait for a lock has one connection, goes by itself, and behind the others if it did
 * wait; once it is through it is one of many again. */
static void test_a_lock_on_one_entity_keeps_no_other_waiting(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 2;
    struct bench *bench = bench_create(&setup);
    bench_add(bench, "e", "u0");
    bench_add(bench, "f", "u0");
    bench_add(bench, "e", "u1");
    bench_turn(bench);
    bench_end(bench, POOL_WRITE, BATCH_LOCKED);
    bench_add(bench, "e", "u2");
    bench_add(bench, "g", "u0");
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    expect_flying(bench, 0, PATH_CONTENDED, "e", 2);
    expect_flying(bench, 1, PATH_PLAIN, "g", 1);
    bench_end(bench, POOL_WRITE, BATCH_LOCKED);
    bench_turn(bench);
    assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 2);
    expect_flying(bench, 1, PATH_CONTENDED, "f", 1);
    bench_settle(bench);
    bench_add(bench, "e", "u0");
    bench_turn(bench);
    expect_flying(bench, 0, PATH_PLAIN, "e", 1);
    bench_settle(bench);
    bench_finish(bench);
}

/* Events with settings keep the order of each one's writes; a lock on some of them lets the others
 * pass, and each of the locked ones is tried in turn. */
static void test_a_lock_on_a_managed_event_lets_the_others_pass(NO_STATE)
{
    static const struct {
        const char *entity;
        size_t size;
        bool short_lock_timeout;
        enum batch_outcome outcome;
    } batches[] = {
        {"e", 4, false, BATCH_LOCKED}, /* of e and f */
        {"e", 2, true, BATCH_LOCKED},  {"g", 1, false, BATCH_DONE}, {"f", 2, true, BATCH_LOCKED},
        {"e", 1, true, BATCH_LOCKED},  {"f", 1, true, BATCH_DONE},
    };
    struct settings many = {.limited = true, .capacity = 100};
    struct bench *bench = bench_create(&bench_usual);
    for (const char *id = "efg"; *id != '\0'; id++) {
        const char name[] = {*id, '\0'};
        fake_primary_configure(&bench->primary, name, &many, bench->now);
        bench_add(bench, name, "first"); /* the worker learns that it is admitted */
        bench_settle(bench);
    }
    bench_add(bench, "e", "u0");
    bench_add(bench, "f", "u0");
    bench_add(bench, "e", "u1");
    bench_add(bench, "f", "u1");
    for (size_t i = 0; i < LENGTH(batches); i++) {
        bench_turn(bench);
        const struct batch *batch = bench->primary.flights[0].batch;
        struct identifier expected = unit_id(batches[i].entity);
        assert_int_equal(fake_primary_flying(&bench->primary, POOL_WRITE), 1);
        assert_int_equal(batch->size, batches[i].size);
        assert_int_equal(batch->short_lock_timeout, batches[i].short_lock_timeout);
        assert_true(identifier_equal(&batch->operations[0]->entity, &expected));
        bench_end(bench, POOL_WRITE, batches[i].outcome);
        if (i == 0) {
            bench_add(bench, "g", "u0");
        }
    }
    bench_settle(bench);
    bench_finish(bench);
}

/* Who finds nothing to change waits for no lock, and so cannot tell that there is none. */
static void test_only_a_change_shows_that_a_lock_is_gone(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u0");
    bench_settle(bench);
    bench_add(bench, "e", "u0");
    bench_turn(bench);
    bench_end(bench, POOL_WRITE, BATCH_LOCKED);
    bench_settle(bench);
    bench_add(bench, "e", "u1");
    bench_turn(bench);
    expect_flying(bench, 0, PATH_CONTENDED, "e", 1);
    bench_settle(bench);
    bench_add(bench, "e", "u2");
    bench_turn(bench);
    expect_flying(bench, 0, PATH_PLAIN, "e", 1);
    bench_settle(bench);
    bench_finish(bench);
}

/* ---- how batches form ---- */

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
static void test_lanes_do_not_wait_for_each_other(NO_STATE)
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
    enum { ROUNDS = 3, QUEUES = RELATION_COUNT * (READS_END - OPERATION_LOOKUP) };
    struct bench_setup setup = bench_usual;
    setup.pending_max = 2 * ROUNDS * QUEUES * QUEUES;
    struct bench *bench = bench_create(&setup);
    unsigned seen[RELATION_COUNT][READS_END] = {{0}}, number = 0;
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
        for (int kind = OPERATION_LOOKUP; kind < READS_END; kind++) {
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

/* ---- paths ---- */

static const struct settings ten_seats = {.limited = true, .capacity = 10};

static const struct batch *sent_batch(struct bench *bench)
{
    bench_turn(bench);
    return fake_primary_flight(&bench->primary, POOL_WRITE)->batch;
}

/* That a plain write of a fresh user on the entity goes this way at once, and is done. */
static void expect_path(struct bench *bench, const char *entity, enum write_path path)
{
    struct ask *ask = bench_ask(bench, OPERATION_ADD, unit_id(entity),
                                unit_numbered_id("n", (unsigned)bench->ask_count));
    bench_submit(ask);
    assert_int_equal(sent_batch(bench)->path, path);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    bench_expect(ask, OUTCOME_DONE);
    assert_int_equal(ask->sent, 1);
}

/* The primary says which operations should have gone another way: these go it now, the others their
 * own again; and whoever comes later on that entity goes it at once. */
static void test_a_misrouted_batch_goes_again(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    fake_primary_configure(&bench->primary, "e", &ten_seats, bench->now);
    const struct ask *admitted[] = {bench_add(bench, "e", "u1"), bench_add(bench, "e", "u2")};
    const struct ask *plain = bench_add(bench, "f", "u1");
    const struct batch *batch = sent_batch(bench);
    assert_int_equal(batch->path, PATH_PLAIN);
    assert_int_equal(batch->size, 3);
    bench_end(bench, POOL_WRITE, BATCH_DONE);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_MISROUTED), 1);
    bench_expect_waiting(admitted[0]);
    bench_expect_waiting(admitted[1]);
    bench_expect_waiting(plain);
    for (int i = 0; i < 2; i++) {
        batch = sent_batch(bench);
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
    fake_primary_configure(&bench->primary, "e", &ten_seats, bench->now);
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
    fake_primary_configure(&bench->primary, "e", &ten_seats, bench->now);
    for (unsigned i = 0; i < 4; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
    }
    bench_end(bench, POOL_WRITE, BATCH_ROLLED_BACK);
    bench_end(bench, POOL_WRITE, BATCH_MISROUTED);
    while (bench->asks[3]->answers == 0) {
        assert_int_equal(sent_batch(bench)->size, 2);
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
static void test_likes_are_never_managed(NO_STATE)
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
    fake_primary_configure(&bench->primary, "managed", &many, bench->now);
    bench_add(bench, "managed", "first");
    bench_settle(bench);
    for (int turn = 0; turn < ROUNDS * WAYS; turn++) {
        for (int way = 0; way < WAYS - 1; way++) {
            struct ask *ask = bench_ask(bench, OPERATION_ADD, unit_id(way == 4 ? "managed" : "e"),
                                        unit_numbered_id("u", number++));
            ask->relation = &relations[way % 2 == 1 ? RELATION_LIKE : RELATION_RSVP];
            if (way == 2 || way == 3) {
                ask->key = unit_key("k");
            }
            bench_submit(ask);
        }
        bench_configure(bench, "other", turn, false);
        const struct batch *batch = sent_batch(bench);
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

/* ---- verdicts ---- */

static void test_seats_and_places(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_configure(bench, "e", 1, true);
    bench_settle(bench);
    const struct ask *in = bench_add(bench, "e", "z");
    const struct ask *first = bench_add(bench, "e", "y");  /* in the order of arrival, */
    const struct ask *second = bench_add(bench, "e", "x"); /* and not of users */
    bench_settle(bench);
    bench_expect(first, OUTCOME_DONE);
    assert_true(in->member && !in->waiting && !first->member && !second->member);
    assert_true(first->waiting && second->waiting && first->changed);
    assert_int_equal(first->position, 1);
    assert_int_equal(second->position, 2);
    const struct ask *settings = ask_of(bench, OPERATION_SETTINGS);
    const struct ask *waiting = ask_of(bench, OPERATION_LIST_WAITING);
    bench_settle(bench);
    assert_int_equal(settings->settings.capacity, 1);
    assert_int_equal(settings->waiting_count, 2);
    assert_int_equal(waiting->lines, 2);
    bench_remove(bench, "e", "z");
    bench_settle(bench);
    const struct ask *moved = bench_lookup(bench, "e", "y");
    const struct ask *waits = bench_lookup(bench, "e", "x");
    bench_settle(bench);
    assert_true(moved->member && !moved->waiting && !waits->member && waits->waiting);
    bench_finish(bench);
}

enum { RULE_CASES = 8 };

/* Asks each in turn for what is against the rules, in a batch with ones that are not; if `lost`, it
 * takes effect once and nobody hears of it. */
static void expect_verdicts(bool lost, const enum outcome outcomes[RULE_CASES])
{
    struct settings full = {.limited = true, .capacity = 0};
    struct settings closed = {.closes = true, .closes_at_us = 1};
    struct bench *bench = bench_create(&bench_usual);
    fake_primary_configure(&bench->primary, "full", &full, bench->now);
    fake_primary_configure(&bench->primary, "closed", &closed, bench->now);
    fake_primary_configure(&bench->primary, "open", &ten_seats, bench->now);
    bench_add_keyed(bench, "open", "u", "used");
    bench_remove(bench, "full", "nobody");
    bench_remove(bench, "closed", "nobody");
    bench_settle(bench); /* all three are known to be admitted by now */
    struct ask *asks[] = {
        bench_add(bench, "full", "u"),
        bench_add(bench, "closed", "u"),
        bench_remove_keyed(bench, "open", "u", "used"),
        bench_add_keyed(bench, "open", "v", "new"),
        bench_add_keyed(bench, "full", "v", "new"),
        bench_add(bench, "open", "w"),
        bench_add_keyed(bench, "full", "x", "not kept"),
        bench_add_keyed(bench, "open", "x", "not kept"),
    };
    assert_int_equal(LENGTH(asks), RULE_CASES);
    for (int i = 0; i < 2 + lost;
         i++) { /* the verdicts of attempts that are not done are nobody's */
        assert_int_equal(sent_batch(bench)->size, LENGTH(asks));
        if (i == 2) {
            fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_WRITE),
                                 bench->now);
        }
        bench_end(bench, POOL_WRITE, i == 2 ? BATCH_LOST : BATCH_MISROUTED);
        for (size_t j = 0; j < LENGTH(asks); j++) {
            bench_expect_waiting(asks[j]);
        }
    }
    bench_settle(bench);
    for (size_t i = 0; i < LENGTH(asks); i++) {
        bench_expect(asks[i], outcomes[i]);
        assert_false(asks[i]->member &&
                     (outcomes[i] == OUTCOME_FULL || outcomes[i] == OUTCOME_CLOSED));
        assert_true(outcomes[i] == OUTCOME_DONE || asks[i]->executed == 0);
    }
    assert_true(asks[3]->changed);
    assert_int_equal(asks[3]->replayed, lost); /* by the attempt that was lost */
    bench_finish(bench);
}

static void test_verdicts(NO_STATE)
{
    static const enum outcome outcomes[RULE_CASES] = {
        OUTCOME_FULL,      OUTCOME_CLOSED, OUTCOME_KEY_REUSED, OUTCOME_DONE,
        OUTCOME_IN_FLIGHT, OUTCOME_DONE,   OUTCOME_FULL,       OUTCOME_IN_FLIGHT};
    expect_verdicts(false, outcomes);
}

/* What is against the rules now may have been done when they were others. */
static void test_verdicts_after_a_lost_attempt(NO_STATE)
{
    static const enum outcome outcomes[RULE_CASES] = {
        OUTCOME_UNKNOWN,    OUTCOME_UNKNOWN, OUTCOME_KEY_REUSED, OUTCOME_DONE,
        OUTCOME_KEY_REUSED, OUTCOME_DONE,    OUTCOME_UNKNOWN,    OUTCOME_UNKNOWN};
    expect_verdicts(true, outcomes);
}

/* An attempt that was lost may have been done: then no end but a good one is certain, whatever the
 * verdict of that attempt was. */
static void test_a_verdict_of_a_batch_that_is_not_done(NO_STATE)
{
    static const enum batch_outcome ends[] = {BATCH_UNAVAILABLE, BATCH_REJECTED};
    struct settings full = {.limited = true, .capacity = 0};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        struct bench *bench = bench_create(&bench_usual);
        fake_primary_configure(&bench->primary, "e", &full, bench->now);
        bench_remove(bench, "e", "u");
        bench_settle(bench);
        const struct ask *ask = bench_add(bench, "e", "u");
        bench_turn(bench);
        fake_primary_execute(&bench->primary, fake_primary_flight(&bench->primary, POOL_WRITE),
                             bench->now);
        bench_end(bench, POOL_WRITE, BATCH_LOST);
        bench_end(bench, POOL_WRITE, ends[i]);
        bench_expect(ask, OUTCOME_UNKNOWN);
        bench_finish(bench);
    }
}

/* The first answer again, whatever has happened since; and the key is the user's own. */
static void test_repeats_of_a_key(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *first = bench_add_keyed(bench, "e", "u", "k");
    bench_settle(bench);
    bench_remove(bench, "e", "u");
    bench_settle(bench);
    const struct ask *again = bench_add_keyed(bench, "e", "u", "k");
    const struct ask *other_user = bench_add_keyed(bench, "e", "v", "k");
    bench_settle(bench);
    bench_expect(again, OUTCOME_DONE);
    assert_true(!first->replayed && again->replayed && !other_user->replayed);
    assert_true(again->changed && again->member);
    assert_int_equal(again->count.value, first->count.value);
    assert_int_equal(again->executed, 0);
    const struct ask *other_entity = bench_add_keyed(bench, "f", "u", "k");
    bench_settle(bench);
    bench_expect(other_entity, OUTCOME_KEY_REUSED);
    const struct ask *lookup = bench_lookup(bench, "e", "u");
    bench_settle(bench);
    assert_false(lookup->member);
    bench_finish(bench);
}

/* ---- refusing ---- */

static void test_refused_while_the_truth_is_unavailable(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    fake_primary_set_up(&bench->primary, false, bench->now);
    bench->redis.up = false;
    for (int kind = 0; kind < KINDS; kind++) { /* at once */
        bench_expect(ask_of(bench, (enum operation_kind)kind), OUTCOME_UNAVAILABLE);
    }
    bench_turn(bench);
    assert_int_equal(bench->primary.batches_sent, 0);
    assert_true(bench_metric(bench, METRIC_REFUSED_UNAVAILABLE) >= 3);
    fake_primary_set_up(&bench->primary, true, bench->now);
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_settle(bench);
    bench_expect(ask, OUTCOME_DONE);
    bench_finish(bench);
}

/* When the primary goes: what was never sent is refused at once; a write that was sent may have
 * been done and can still be told on a new connection; a read goes as one that was never sent. */
static void test_what_waits_when_the_truth_goes(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *sent = bench_add(bench, "e", "sent");
    const struct ask *sent_read = bench_lookup(bench, "e", "u");
    bench_turn(bench);
    const struct ask *waiting = bench_add(bench, "e", "waiting");
    const struct ask *waiting_twice = bench_remove(bench, "e", "waiting");
    const struct ask *waiting_read = bench_lookup(bench, "e", "u");
    fake_primary_set_up(&bench->primary, false, bench->now);
    bench_expect_waiting(sent);
    bench_expect(sent_read, OUTCOME_UNAVAILABLE);
    bench_expect(waiting, OUTCOME_UNAVAILABLE);
    bench_expect(waiting_twice, OUTCOME_UNAVAILABLE);
    bench_expect(waiting_read, OUTCOME_UNAVAILABLE);
    assert_true(waiting->place < waiting_twice->place);
    bench_turn(bench);
    fake_primary_set_up(&bench->primary, true, bench->now);
    bench_settle(bench);
    bench_expect(sent, OUTCOME_DONE);
    assert_int_equal(waiting->executed + waiting_twice->executed, 0);
    bench_finish(bench);
}

/* Writes that wait, or come, are refused at once; reads go on. */
static void test_a_truth_that_is_read_only_is_read(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *sent = bench_add(bench, "e", "sent");
    bench_turn(bench);
    const struct ask *waiting = bench_add(bench, "e", "waiting");
    const struct ask *chained = bench_remove(bench, "e", "sent");
    const struct ask *read = bench_lookup(bench, "e", "u");
    fake_primary_set_read_only(&bench->primary, true, bench->now);
    bench_expect(waiting, OUTCOME_UNAVAILABLE);
    bench_expect(chained, OUTCOME_UNAVAILABLE);
    bench_expect_waiting(read);
    bench_expect(bench_add(bench, "e", "late"), OUTCOME_UNAVAILABLE);
    bench_expect(bench_configure(bench, "e", 1, true), OUTCOME_UNAVAILABLE);
    const struct ask *count = bench_count(bench, "e", 0);
    bench_settle(bench);
    bench_expect(sent, OUTCOME_DONE);
    bench_expect(read, OUTCOME_DONE);
    bench_expect(count, OUTCOME_DONE);
    fake_primary_set_read_only(&bench->primary, false, bench->now);
    const struct ask *again = bench_add(bench, "e", "again");
    bench_settle(bench);
    bench_expect(again, OUTCOME_DONE);
    bench_finish(bench);
}

/* On every path, and settings: what was never sent is refused at once. */
static void test_what_waits_on_any_path_when_the_truth_goes(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_configure(bench, "e", 10, false);
    bench_settle(bench);
    const struct ask *sent = bench_add(bench, "e", "sent");
    bench_turn(bench);
    const struct ask *waiting[] = {
        bench_add(bench, "f", "u"),           bench_add_keyed(bench, "f", "v", "k"),
        bench_add(bench, "e", "u"),           bench_add_keyed(bench, "e", "v", "k2"),
        bench_configure(bench, "f", 1, true), bench_release(bench, "e"),
    };
    fake_primary_set_up(&bench->primary, false, bench->now);
    for (size_t i = 0; i < LENGTH(waiting); i++) {
        bench_expect(waiting[i], OUTCOME_UNAVAILABLE);
    }
    bench_expect_waiting(sent);
    fake_primary_set_up(&bench->primary, true, bench->now);
    bench_settle(bench);
    bench_expect(sent, OUTCOME_DONE);
    bench_finish(bench);
}

/* The process was held up (a paused machine, say); then a request comes in. */
static void test_a_write_after_a_pause_has_all_of_its_time(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_tick(bench);
    bench_pass(bench, SECONDS(3));
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_turn(bench);
    bench_tick(bench);
    bench_expect_waiting(ask);
    bench_finish(bench);
}

/* What waits behind a write that was sent was never sent itself. */
static void test_what_is_chained_when_the_truth_goes(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *sent = bench_add(bench, "e", "u");
    bench_turn(bench);
    const struct ask *behind = bench_remove(bench, "e", "u");
    fake_primary_set_up(&bench->primary, false, bench->now);
    bench_expect_waiting(sent);
    bench_expect(behind, OUTCOME_UNAVAILABLE);
    bench_finish(bench);
}

static void test_nothing_is_refused_when_the_truth_comes_back(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *ask = bench_add(bench, "e", "u");
    fake_primary_set_up(&bench->primary, true, bench->now);
    bench_expect_waiting(ask);
    bench_finish(bench);
}

static const struct ask *ask_in_haste(struct bench *bench, const char *user)
{
    struct ask *ask = bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_id(user));
    ask->deadline_us = bench->now.mono_us + SECONDS(1);
    bench_submit(ask);
    return ask;
}

/* The primary gets so slow that a queue cannot be worked off in time: who comes last is refused,
 * who comes when the queue is empty is let in and finds out. */
static void test_what_cannot_be_answered_in_time_is_refused(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    for (int i = 0; i < 40; i++) { /* every batch takes 0.8 s */
        bench_add(bench, "e", "u");
        bench_turn(bench);
        bench_wait(bench, SECONDS(0.8));
        bench_end(bench, POOL_WRITE, BATCH_DONE);
    }
    bench_expect_waiting(ask_in_haste(bench, "first"));
    bench_turn(bench);
    const struct ask *hasty = ask_in_haste(bench, "hasty");
    bench_expect(hasty, OUTCOME_OVERLOADED);
    assert_int_equal(bench_metric(bench, METRIC_REFUSED_OVERLOAD), 1);
    const struct ask *patient = bench_add(bench, "e", "patient");
    bench_expect_waiting(patient);
    const struct ask *read = bench_lookup(bench, "e", "u"); /* the other pool is fast */
    bench_expect_waiting(read);
    bench_settle(bench);
    bench_expect(patient, OUTCOME_DONE);
    assert_int_equal(hasty->sent, 0);
    for (int i = 0; i < 40; i++) { /* fast again */
        bench_add(bench, "e", "u");
        bench_turn(bench);
        bench_wait(bench, 1000);
        bench_end(bench, POOL_WRITE, BATCH_DONE);
    }
    bench_add(bench, "e", "first");
    bench_expect_waiting(ask_in_haste(bench, "hasty"));
    bench_finish(bench);
}

static void test_retries_are_counted(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    bench_add(bench, "e", "u1");
    bench_add(bench, "e", "u2");
    bench_end(bench, POOL_WRITE, BATCH_LOST);
    bench_end(bench, POOL_WRITE, BATCH_REJECTED);
    bench_end(bench, POOL_WRITE, BATCH_ROLLED_BACK);
    bench_end(bench, POOL_WRITE, BATCH_ROLLED_BACK);
    bench_settle(bench);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_RETRIED_LOST), 1);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_SPLIT), 1);
    assert_int_equal(bench_metric(bench, METRIC_BATCH_RETRIED_ROLLED_BACK), 2);
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_results_of_listings),
        cmocka_unit_test(test_every_end_of_a_batch),
        cmocka_unit_test(test_rejected_alone),
        cmocka_unit_test(test_an_unmet_precondition),
        cmocka_unit_test(test_a_bad_end_after_a_loss),
        cmocka_unit_test(test_a_write_that_took_effect_before_it_was_lost),
        cmocka_unit_test(test_the_deadline_of_what_was_sent),
        cmocka_unit_test(test_the_deadline_of_what_was_never_sent),
        cmocka_unit_test(test_the_deadline_of_what_waits_to_go_again),
        cmocka_unit_test(test_the_deadline_of_what_is_chained),
        cmocka_unit_test(test_who_is_answered_is_not_sent_again),
        cmocka_unit_test(test_expired_requests_are_counted),
        cmocka_unit_test(test_writes_of_a_key_are_answered_in_order),
        cmocka_unit_test(test_a_key_is_on_one_connection_at_a_time),
        cmocka_unit_test(test_one_poisonous_operation_fails_alone),
        cmocka_unit_test(test_several_poisonous_operations),
        cmocka_unit_test(test_a_batch_that_was_split_stays_split),
        cmocka_unit_test(test_a_batch_that_fails_again_and_again_gets_smaller),
        cmocka_unit_test(test_a_lock_on_one_entity_keeps_no_other_waiting),
        cmocka_unit_test(test_a_lock_on_a_managed_event_lets_the_others_pass),
        cmocka_unit_test(test_only_a_change_shows_that_a_lock_is_gone),
        cmocka_unit_test(test_what_gathers_goes_together),
        cmocka_unit_test(test_those_who_keep_coming_go_together),
        cmocka_unit_test(test_a_slow_batch_is_not_last_contended),
        cmocka_unit_test(test_what_does_not_fit_goes_on_another_connection),
        cmocka_unit_test(test_more_than_fit_in_a_batch),
        cmocka_unit_test(test_lanes_do_not_wait_for_each_other),
        cmocka_unit_test(test_no_queue_starves),
        cmocka_unit_test(test_queue_depths_are_reported),
        cmocka_unit_test(test_listings_have_bounds_of_their_own),
        cmocka_unit_test(test_a_misrouted_batch_goes_again),
        cmocka_unit_test(test_a_batch_that_is_misrouted_the_other_way),
        cmocka_unit_test(test_the_deadline_of_what_was_misrouted),
        cmocka_unit_test(test_misrouted_after_it_was_split),
        cmocka_unit_test(test_who_changes_settings_knows_the_path),
        cmocka_unit_test(test_settings_that_come_late),
        cmocka_unit_test(test_likes_are_never_managed),
        cmocka_unit_test(test_paths_never_share_a_batch),
        cmocka_unit_test(test_order_across_paths),
        cmocka_unit_test(test_no_path_starves),
        cmocka_unit_test(test_seats_and_places),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_verdicts_after_a_lost_attempt),
        cmocka_unit_test(test_a_verdict_of_a_batch_that_is_not_done),
        cmocka_unit_test(test_repeats_of_a_key),
        cmocka_unit_test(test_refused_while_the_truth_is_unavailable),
        cmocka_unit_test(test_what_waits_when_the_truth_goes),
        cmocka_unit_test(test_what_waits_on_any_path_when_the_truth_goes),
        cmocka_unit_test(test_a_write_after_a_pause_has_all_of_its_time),
        cmocka_unit_test(test_what_is_chained_when_the_truth_goes),
        cmocka_unit_test(test_a_truth_that_is_read_only_is_read),
        cmocka_unit_test(test_nothing_is_refused_when_the_truth_comes_back),
        cmocka_unit_test(test_what_cannot_be_answered_in_time_is_refused),
        cmocka_unit_test(test_retries_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
