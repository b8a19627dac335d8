/* Operations on their way to the truth and back: what becomes of them however a batch ends. */
#include "bench.h"
#include "unit.h"

static struct ask *ask_of(struct bench *bench, enum operation_kind kind)
{
    switch (kind) {
    case OPERATION_ADD:
        return bench_add(bench, "e", "u");
    case OPERATION_REMOVE:
        return bench_remove(bench, "e", "u");
    case OPERATION_LOOKUP:
        return bench_lookup(bench, "e", "u");
    case OPERATION_COUNT:
        return bench_count(bench, "e", 0);
    }
    return NULL;
}

static enum lane lane_of(enum operation_kind kind)
{
    return kind == OPERATION_ADD || kind == OPERATION_REMOVE ? LANE_WRITE : LANE_READ;
}

static const enum operation_kind kinds[] = {OPERATION_ADD, OPERATION_REMOVE, OPERATION_LOOKUP,
                                            OPERATION_COUNT};

static void test_results(void **state)
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
    (void)state;
    for (size_t i = 0; i < LENGTH(steps); i++) {
        const struct ask *ask = ask_of(bench, steps[i].kind);
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

/* How one operation ends when its first batch ends so, and it is then done if it is sent again. */
static void test_every_end_of_a_batch(void **state)
{
    static const struct {
        enum batch_outcome end;
        bool again;
        enum outcome outcome;
    } cases[] = {
        {BATCH_DONE, false, OUTCOME_DONE},       {BATCH_ROLLED_BACK, true, OUTCOME_DONE},
        {BATCH_REJECTED, false, OUTCOME_FAILED}, {BATCH_UNAVAILABLE, false, OUTCOME_UNAVAILABLE},
        {BATCH_LOST, true, OUTCOME_DONE},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases) * LENGTH(kinds); i++) {
        size_t at = i / LENGTH(kinds);
        enum operation_kind kind = kinds[i % LENGTH(kinds)];
        struct bench *bench = bench_create(&bench_usual);
        const struct ask *ask = ask_of(bench, kind);
        bench_end(bench, lane_of(kind), cases[at].end);
        if (cases[at].again) {
            bench_expect_waiting(ask);
            bench_end(bench, lane_of(kind), BATCH_DONE);
        }
        bench_expect(ask, cases[at].outcome);
        bench_turn(bench);
        assert_int_equal(bench->truth.flight_count, 0);
        bench_finish(bench);
    }
}

/* After a loss nobody knows whether the write was done: what then ends badly is not known to be
 * undone. A read does nothing that could be done. */
static void test_a_bad_end_after_a_loss(void **state)
{
    static const struct {
        enum batch_outcome then;
        enum outcome of_write, of_read;
    } cases[] = {
        {BATCH_DONE, OUTCOME_DONE, OUTCOME_DONE},
        {BATCH_REJECTED, OUTCOME_UNKNOWN, OUTCOME_FAILED},
        {BATCH_UNAVAILABLE, OUTCOME_UNKNOWN, OUTCOME_UNAVAILABLE},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases) * LENGTH(kinds); i++) {
        size_t at = i / LENGTH(kinds);
        enum operation_kind kind = kinds[i % LENGTH(kinds)];
        bool write = lane_of(kind) == LANE_WRITE;
        struct bench *bench = bench_create(&bench_usual);
        const struct ask *ask = ask_of(bench, kind);
        bench_end(bench, lane_of(kind), BATCH_LOST);
        bench_end(bench, lane_of(kind), BATCH_ROLLED_BACK);
        bench_end(bench, lane_of(kind), cases[at].then);
        bench_expect(ask, write ? cases[at].of_write : cases[at].of_read);
        bench_finish(bench);
    }
}

/* A batch that is lost after it took effect: the second time it changes nothing more. */
static void test_a_write_that_took_effect_before_it_was_lost(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *ask = bench_add(bench, "e", "u");
    (void)state;
    bench_turn(bench);
    fake_truth_execute(&bench->truth, fake_truth_flight(&bench->truth, LANE_WRITE), bench->now);
    bench_end(bench, LANE_WRITE, BATCH_LOST);
    bench_end(bench, LANE_WRITE, BATCH_DONE);
    bench_expect(ask, OUTCOME_DONE);
    assert_true(ask->member);
    assert_int_equal(ask->count.value, 1);
    assert_int_equal(ask->executed, 2);
    bench_finish(bench);
}

/* ---- deadlines ---- */

/* What is said at the deadline, by where the operation is, and that its batch may still end in any
 * way without a second answer. */
static void test_the_deadline_of_what_was_sent(void **state)
{
    static const enum batch_outcome ends[] = {BATCH_DONE, BATCH_ROLLED_BACK, BATCH_REJECTED,
                                              BATCH_UNAVAILABLE, BATCH_LOST};
    (void)state;
    for (size_t i = 0; i < LENGTH(ends) * LENGTH(kinds); i++) {
        enum operation_kind kind = kinds[i % LENGTH(kinds)];
        struct bench *bench = bench_create(&bench_usual);
        const struct ask *ask = ask_of(bench, kind);
        bench_turn(bench);
        bench_wait(bench, BENCH_DEADLINE_US);
        bench_expect_waiting(ask);
        bench_wait(bench, SECONDS(0.03));
        bench_expect(ask, lane_of(kind) == LANE_WRITE ? OUTCOME_UNKNOWN : OUTCOME_UNAVAILABLE);
        bench_end(bench, lane_of(kind), ends[i / LENGTH(kinds)]);
        bench_turn(bench);
        assert_int_equal(bench->truth.flight_count, 0); /* nobody wants it any more */
        bench_finish(bench);
    }
}

static void test_the_deadline_of_what_was_never_sent(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        struct bench *bench = bench_create(&bench_usual);
        const struct ask *ask = ask_of(bench, kinds[i]);
        bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
        bench_expect(ask, OUTCOME_UNAVAILABLE);
        bench_turn(bench);
        assert_int_equal(bench->truth.batches_sent, 0);
        bench_finish(bench);
    }
}

/* A write that was rolled back was not done; one that was lost may have been. */
static void test_the_deadline_of_what_waits_to_go_again(void **state)
{
    static const struct {
        enum batch_outcome end;
        enum outcome outcome;
    } cases[] = {
        {BATCH_ROLLED_BACK, OUTCOME_UNAVAILABLE},
        {BATCH_LOST, OUTCOME_UNKNOWN},
    };
    (void)state;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct bench *bench = bench_create(&bench_usual);
        const struct ask *write = bench_add(bench, "e", "u");
        const struct ask *read = bench_lookup(bench, "e", "u");
        bench_turn(bench);
        while (bench->truth.flight_count > 0) {
            fake_truth_end(&bench->truth, &bench->truth.flights[0], cases[i].end, bench->now);
        }
        bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
        bench_expect(write, cases[i].outcome);
        bench_expect(read, OUTCOME_UNAVAILABLE);
        bench_finish(bench);
    }
}

/* The second write of a key waits for the first, which is with Postgres past both deadlines. */
static void test_the_deadline_of_what_is_chained(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
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
    assert_int_equal(fake_truth_flying(&bench->truth, LANE_WRITE), 1);
    bench_end(bench, LANE_WRITE, BATCH_DONE); /* the first, at last */
    bench_end(bench, LANE_WRITE, BATCH_DONE);
    bench_expect(fourth, OUTCOME_DONE);
    assert_true(fourth->changed);
    assert_int_equal(first->executed, 1);
    assert_int_equal(second->executed + third->executed, 0);
    bench_finish(bench);
}

/* Those who were answered meanwhile do not go again with those who were not. */
static void test_who_is_answered_is_not_sent_again(void **state)
{
    static const enum batch_outcome ends[] = {BATCH_LOST, BATCH_ROLLED_BACK, BATCH_REJECTED};
    (void)state;
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
        bench_end(bench, LANE_WRITE, ends[i]);
        bench_turn(bench);
        bench_settle(bench);
        bench_expect(late, OUTCOME_DONE);
        bench_expect(behind, OUTCOME_DONE);
        assert_int_equal(early->sent, 1);
        assert_int_equal(early->executed, 0);
        bench_finish(bench);
    }
}

static void test_expired_requests_are_counted(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
    bench_add(bench, "e", "u");
    bench_add(bench, "e", "u");
    bench_lookup(bench, "e", "u");
    bench_wait(bench, BENCH_DEADLINE_US + SECONDS(0.03));
    assert_int_equal(bench_metric(bench, METRIC_EXPIRED), 3);
    bench_finish(bench);
}

/* ---- order ---- */

static void test_writes_of_a_key_are_answered_in_order(void **state)
{
    enum { WRITES = 7 };
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *asks[WRITES];
    (void)state;
    for (size_t i = 0; i < WRITES; i++) {
        asks[i] = i % 2 == 0 ? bench_add(bench, "e", "u") : bench_remove(bench, "e", "u");
    }
    for (size_t i = 0; i < WRITES; i++) {
        bench_end(bench, LANE_WRITE, BATCH_LOST);
        bench_end(bench, LANE_WRITE, BATCH_DONE);
        bench_expect(asks[i], OUTCOME_DONE);
        assert_true(asks[i]->changed);
        assert_int_equal(asks[i]->member, i % 2 == 0);
        assert_int_equal(asks[i]->place, i + 1);
        assert_true(i + 1 == WRITES || asks[i + 1]->answers == 0);
    }
    assert_int_equal(bench->truth.batches_sent, 2 * WRITES);
    bench_finish(bench);
}

/* Also with more connections than one: the fake truth refuses a key that is under way already. */
static void test_a_key_is_on_one_connection_at_a_time(void **state)
{
    struct bench_setup setup = bench_usual;
    setup.write_connections = 3;
    struct bench *bench = bench_create(&setup);
    (void)state;
    bench_add(bench, "e", "u");
    bench_turn(bench);
    const struct ask *chained = bench_remove(bench, "e", "u");
    const struct ask *other = bench_add(bench, "e", "v");
    bench_turn(bench);
    assert_int_equal(fake_truth_flying(&bench->truth, LANE_WRITE), 2);
    fake_truth_end(&bench->truth, &bench->truth.flights[1], BATCH_DONE, bench->now);
    bench_expect(other, OUTCOME_DONE);
    bench_expect_waiting(chained);
    bench_turn(bench);
    assert_int_equal(fake_truth_flying(&bench->truth, LANE_WRITE), 1);
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
static void settle_with_poison(struct bench *bench, enum lane lane)
{
    bench_turn(bench);
    while (fake_truth_flying(&bench->truth, lane) > 0) {
        struct flight *flight = fake_truth_flight(&bench->truth, lane);
        bool poisoned = false;
        for (size_t i = 0; i < flight->batch->size; i++) {
            poisoned = poisoned || is_poison(flight->batch->operations[i]);
        }
        fake_truth_end(&bench->truth, flight, poisoned ? BATCH_REJECTED : BATCH_DONE, bench->now);
        bench_turn(bench);
    }
}

/* Of every place in batches of every size: the poisonous one fails, alone. */
static void test_one_poisonous_operation_fails_alone(void **state)
{
    enum { SIZE_MAX_HERE = 20 };
    static const enum operation_kind poisonous[] = {OPERATION_ADD, OPERATION_LOOKUP};
    (void)state;
    for (size_t i = 0; i < LENGTH(poisonous) * SIZE_MAX_HERE * SIZE_MAX_HERE; i++) {
        unsigned size = (unsigned)(i / SIZE_MAX_HERE % SIZE_MAX_HERE) + 1;
        unsigned at = (unsigned)(i % SIZE_MAX_HERE);
        if (at >= size) {
            continue;
        }
        enum operation_kind kind = poisonous[i / SIZE_MAX_HERE / SIZE_MAX_HERE];
        struct bench *bench = bench_create(&bench_usual);
        struct ask *asks[SIZE_MAX_HERE];
        for (unsigned j = 0; j < size; j++) {
            /* sorted by the truth, so in the batch they stand elsewhere than they came */
            asks[j] = bench_ask(bench, kind, unit_numbered_id("e", j * 7 % 5),
                                unit_numbered_id(j == at ? "p" : "u", j));
            bench_submit(asks[j]);
        }
        settle_with_poison(bench, lane_of(kind));
        for (unsigned j = 0; j < size; j++) {
            bench_expect(asks[j], j == at ? OUTCOME_FAILED : OUTCOME_DONE);
            assert_int_equal(asks[j]->executed, j != at && kind == OPERATION_ADD);
        }
        /* halved each time: not one by one */
        assert_true(bench->truth.batches_sent <= 2 * 5 + 4);
        bench_finish(bench);
    }
}

static void test_several_poisonous_operations(void **state)
{
    struct random random = unit_random(1);
    (void)state;
    for (int round = 0; round < 50; round++) {
        struct bench *bench = bench_create(&bench_usual);
        struct ask *asks[40];
        bool poisonous[LENGTH(asks)];
        unsigned percent = unit_below(&random, 101);
        for (unsigned i = 0; i < LENGTH(asks); i++) {
            poisonous[i] = unit_percent(&random, percent);
            asks[i] = bench_ask(bench, OPERATION_ADD, unit_id("e"),
                                unit_numbered_id(poisonous[i] ? "p" : "u", i));
            bench_submit(asks[i]);
        }
        settle_with_poison(bench, LANE_WRITE);
        for (unsigned i = 0; i < LENGTH(asks); i++) {
            bench_expect(asks[i], poisonous[i] ? OUTCOME_FAILED : OUTCOME_DONE);
        }
        bench_finish(bench);
    }
}

/* Those that share a batch with a row that somebody else has locked come free of it. */
static void test_a_batch_that_is_rolled_back_again_and_again_gets_smaller(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
    }
    for (size_t size = 8; size > 1; size /= 2) {
        bench_turn(bench);
        assert_int_equal(fake_truth_flight(&bench->truth, LANE_WRITE)->batch->size, size);
        bench_end(bench, LANE_WRITE, BATCH_ROLLED_BACK);
    }
    bench_settle(bench);
    bench_finish(bench);
}

/* ---- how batches form ---- */

static void test_what_gathers_goes_together(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
    bench_add(bench, "e", "u0");
    bench_turn(bench);
    for (unsigned i = 1; i < 20; i++) {
        bench_submit(bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_numbered_id("u", i)));
        bench_turn(bench);
    }
    assert_int_equal(fake_truth_flying(&bench->truth, LANE_WRITE), 1);
    bench_end(bench, LANE_WRITE, BATCH_DONE);
    bench_turn(bench);
    assert_int_equal(fake_truth_flight(&bench->truth, LANE_WRITE)->batch->size, 19);
    bench_settle(bench);
    assert_int_equal(bench->truth.batches_sent, 2);
    bench_finish(bench);
}

static void test_more_than_fit_in_a_batch(void **state)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 2 * BATCH_SIZE_MAX;
    struct bench *bench = bench_create(&setup);
    (void)state;
    for (unsigned i = 0; i < BATCH_SIZE_MAX + 1; i++) {
        bench_submit(bench_ask(bench, OPERATION_LOOKUP, unit_id("e"), unit_numbered_id("u", i)));
    }
    bench_turn(bench);
    assert_int_equal(fake_truth_flight(&bench->truth, LANE_READ)->batch->size, BATCH_SIZE_MAX);
    bench_end(bench, LANE_READ, BATCH_DONE);
    bench_turn(bench);
    assert_int_equal(fake_truth_flight(&bench->truth, LANE_READ)->batch->size, 1);
    bench_finish(bench);
}

/* A read never waits behind a write, nor a write behind a read. */
static void test_lanes_do_not_wait_for_each_other(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
    bench_add(bench, "e", "u");
    bench_turn(bench);
    const struct ask *read = bench_lookup(bench, "e", "u");
    bench_end(bench, LANE_READ, BATCH_DONE);
    bench_expect(read, OUTCOME_DONE);
    bench_lookup(bench, "e", "u");
    bench_turn(bench);
    bench_end(bench, LANE_WRITE, BATCH_DONE);
    const struct ask *write = bench_add(bench, "e", "u");
    bench_end(bench, LANE_WRITE, BATCH_DONE);
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

/* On one connection every queue of its lane gets its turn, however fast the others fill again. */
static void test_no_queue_starves(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    unsigned seen[RELATION_COUNT][OPERATION_COUNT + 1] = {{0}}, number = 0;
    (void)state;
    for (int turn = 0; turn < 12; turn++) {
        for (int relation = 0; relation < RELATION_COUNT; relation++) {
            submit_of(bench, OPERATION_LOOKUP, (enum relation_id)relation, number++);
            submit_of(bench, OPERATION_COUNT, (enum relation_id)relation, number++);
        }
        bench_turn(bench);
        const struct batch *batch = fake_truth_flight(&bench->truth, LANE_READ)->batch;
        seen[batch->relation->id][batch->kind]++;
        bench_end(bench, LANE_READ, BATCH_DONE);
    }
    for (int relation = 0; relation < RELATION_COUNT; relation++) {
        assert_int_equal(seen[relation][OPERATION_LOOKUP], 3);
        assert_int_equal(seen[relation][OPERATION_COUNT], 3);
    }
    bench_finish(bench);
}

static void test_queue_depths_are_reported(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
    bench_add(bench, "e", "u");
    bench_remove(bench, "e", "u");
    bench_lookup(bench, "e", "u");
    bench_turn(bench);
    bench_lookup(bench, "e", "u");
    submit_of(bench, OPERATION_LOOKUP, RELATION_LIKE, 1);
    submit_of(bench, OPERATION_COUNT, RELATION_LIKE, 1);
    bench_tick(bench);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_WRITES), 2);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_LOOKUPS), 3);
    assert_int_equal(bench_metric(bench, METRIC_QUEUE_COUNTS), 1);
    bench_finish(bench);
}

/* ---- refusing ---- */

static void test_refused_while_the_truth_is_unavailable(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
    fake_truth_set_up(&bench->truth, false, bench->now);
    for (size_t i = 0; i < LENGTH(kinds); i++) {
        bench_expect(ask_of(bench, kinds[i]), OUTCOME_UNAVAILABLE); /* at once */
    }
    bench_turn(bench);
    assert_int_equal(bench->truth.batches_sent, 0);
    assert_true(bench_metric(bench, METRIC_REFUSED_UNAVAILABLE) >= 3);
    fake_truth_set_up(&bench->truth, true, bench->now);
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_settle(bench);
    bench_expect(ask, OUTCOME_DONE);
    bench_finish(bench);
}

/* When the truth goes: what was never sent is refused at once; a write that was sent may have been
 * done and can still be told on a new connection; a read goes as one that was never sent. */
static void test_what_waits_when_the_truth_goes(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
    const struct ask *sent = bench_add(bench, "e", "sent");
    const struct ask *sent_read = bench_lookup(bench, "e", "u");
    bench_turn(bench);
    const struct ask *waiting = bench_add(bench, "e", "waiting");
    const struct ask *waiting_twice = bench_remove(bench, "e", "waiting");
    const struct ask *waiting_read = bench_lookup(bench, "e", "u");
    fake_truth_set_up(&bench->truth, false, bench->now);
    bench_expect_waiting(sent);
    bench_expect(sent_read, OUTCOME_UNAVAILABLE);
    bench_expect(waiting, OUTCOME_UNAVAILABLE);
    bench_expect(waiting_twice, OUTCOME_UNAVAILABLE);
    bench_expect(waiting_read, OUTCOME_UNAVAILABLE);
    assert_true(waiting->place < waiting_twice->place);
    bench_turn(bench);
    fake_truth_set_up(&bench->truth, true, bench->now);
    bench_settle(bench);
    bench_expect(sent, OUTCOME_DONE);
    assert_int_equal(waiting->executed + waiting_twice->executed, 0);
    bench_finish(bench);
}

static void test_nothing_is_refused_when_the_truth_comes_back(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    const struct ask *ask = bench_add(bench, "e", "u");
    (void)state;
    fake_truth_set_up(&bench->truth, true, bench->now);
    bench_expect_waiting(ask);
    bench_finish(bench);
}

/* The truth gets so slow that a queue cannot be worked off in time: who comes last is refused, who
 * comes when the queue is empty is let in and finds out. */
static void test_what_cannot_be_answered_in_time_is_refused(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
    for (int i = 0; i < 40; i++) { /* every batch takes 1.5 s */
        bench_add(bench, "e", "u");
        bench_turn(bench);
        bench_wait(bench, SECONDS(1.5));
        bench_end(bench, LANE_WRITE, BATCH_DONE);
    }
    const struct ask *first = bench_add(bench, "e", "first");
    bench_expect_waiting(first);
    bench_turn(bench);
    struct ask *hasty = bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_id("hasty"));
    hasty->deadline_us = bench->now.mono_us + SECONDS(1);
    bench_submit(hasty);
    bench_expect(hasty, OUTCOME_OVERLOADED);
    assert_int_equal(bench_metric(bench, METRIC_REFUSED_OVERLOAD), 1);
    const struct ask *patient = bench_add(bench, "e", "patient");
    bench_expect_waiting(patient);
    const struct ask *read = bench_lookup(bench, "e", "u"); /* the other lane is fast */
    bench_expect_waiting(read);
    bench_settle(bench);
    bench_expect(patient, OUTCOME_DONE);
    assert_int_equal(hasty->sent, 0);
    for (int i = 0; i < 40; i++) { /* fast again */
        bench_add(bench, "e", "u");
        bench_turn(bench);
        bench_wait(bench, 1000);
        bench_end(bench, LANE_WRITE, BATCH_DONE);
    }
    bench_add(bench, "e", "first");
    struct ask *again = bench_ask(bench, OPERATION_ADD, unit_id("e"), unit_id("hasty"));
    again->deadline_us = bench->now.mono_us + SECONDS(1);
    bench_submit(again);
    bench_expect_waiting(again);
    bench_finish(bench);
}

static void test_retries_are_counted(void **state)
{
    struct bench *bench = bench_create(&bench_usual);
    (void)state;
    bench_add(bench, "e", "u1");
    bench_add(bench, "e", "u2");
    bench_end(bench, LANE_WRITE, BATCH_LOST);
    bench_end(bench, LANE_WRITE, BATCH_REJECTED);
    bench_end(bench, LANE_WRITE, BATCH_ROLLED_BACK);
    bench_end(bench, LANE_WRITE, BATCH_ROLLED_BACK);
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
        cmocka_unit_test(test_every_end_of_a_batch),
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
        cmocka_unit_test(test_a_batch_that_is_rolled_back_again_and_again_gets_smaller),
        cmocka_unit_test(test_what_gathers_goes_together),
        cmocka_unit_test(test_more_than_fit_in_a_batch),
        cmocka_unit_test(test_lanes_do_not_wait_for_each_other),
        cmocka_unit_test(test_no_queue_starves),
        cmocka_unit_test(test_queue_depths_are_reported),
        cmocka_unit_test(test_refused_while_the_truth_is_unavailable),
        cmocka_unit_test(test_what_waits_when_the_truth_goes),
        cmocka_unit_test(test_nothing_is_refused_when_the_truth_comes_back),
        cmocka_unit_test(test_what_cannot_be_answered_in_time_is_refused),
        cmocka_unit_test(test_retries_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
