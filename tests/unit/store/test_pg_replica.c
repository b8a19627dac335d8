/* Which batches a replica gets, behind which barrier, and when it is left alone. No server: the
 * links are the test's own. */
#include "unit.h"

#include "rsvpd/store/pg_link.h"
#include "rsvpd/store/pg_replica.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECTIONS = 2,
    LINKS = CONNECTIONS + 1,
    ASKER = 0, /* the link to the primary */
    DEADLINE_US = 2000 * 1000,
    LONG_US = 10 * 1000 * 1000, /* longer than any rest */
};

/* ---- links ---- */

struct pg_link {
    struct pg_link_setup setup;
    enum pg_link_state state;
    bool read_only;
    struct batch *batch; /* under way; NULL: none */
    struct pg_barrier barrier;
    unsigned connects, ticks, asked;
    bool marks; /* the last question did */
    const char *dropped;
};

static struct pg_link links[LINKS];
static size_t link_count;

static void lose(struct pg_link *link);

struct pg_link *pg_link_create(const struct pg_link_setup *setup)
{
    assert_true(link_count < LINKS);
    struct pg_link *link = &links[link_count++];
    *link = (struct pg_link){.setup = *setup, .read_only = setup->access == PG_REPLICA};
    return link;
}

enum pg_link_state pg_link_state(const struct pg_link *link)
{
    return link->state;
}

bool pg_link_is_usable(const struct pg_link *link)
{
    return link->state >= PG_LINK_READY && link->state != PG_LINK_BROKEN;
}

bool pg_link_is_read_only(const struct pg_link *link)
{
    return link->read_only;
}

void pg_link_connect(struct pg_link *link)
{
    assert_int_equal(link->state, PG_LINK_DOWN);
    link->connects++;
    link->state = PG_LINK_CONNECTING;
}

void pg_link_send(struct pg_link *link, struct batch *batch, const struct pg_barrier *barrier,
                  struct instant now)
{
    (void)now;
    assert_int_equal(link->state, PG_LINK_READY);
    link->batch = batch;
    link->barrier = *barrier;
    link->state = PG_LINK_BUSY;
}

const char *pg_link_reason(const struct pg_link *link)
{
    (void)link;
    return "behind";
}

void pg_link_ask_barrier(struct pg_link *link, bool marks, struct instant now)
{
    (void)now;
    assert_int_equal(link->state, PG_LINK_READY);
    link->asked++;
    link->marks = marks;
    link->state = PG_LINK_ASKING;
}

void pg_link_drop(struct pg_link *link, const char *reason, int64_t now_us)
{
    (void)now_us;
    link->dropped = reason;
}

void pg_link_tick(struct pg_link *link, struct instant now)
{
    (void)now;
    assert_int_not_equal(link->state, PG_LINK_DOWN);
    link->ticks++;
}

void pg_link_close(struct pg_link *link)
{
    if (link->state != PG_LINK_DOWN && link->state != PG_LINK_CONNECTING) {
        lose(link);
    }
}

void pg_link_destroy(struct pg_link **link)
{
    *link = NULL;
}

/* ---- what becomes of them ---- */

static struct pg_replica *replica;
static struct metrics *metrics;
static struct instant now;
static struct batch batches[4];

static struct {
    unsigned calls;
    const struct batch *batch;
    enum batch_outcome outcome;
} ended;

static void on_batch_ended(void *owner, struct batch *batch, enum batch_outcome outcome,
                           int64_t now_us)
{
    (void)now_us;
    assert_ptr_equal(owner, &ended);
    ended.calls++;
    ended.batch = batch;
    ended.outcome = outcome;
}

static void expect_ended(unsigned calls, const struct batch *batch, enum batch_outcome outcome)
{
    assert_int_equal(ended.calls, calls);
    assert_ptr_equal(ended.batch, batch);
    assert_int_equal(ended.outcome, outcome);
}

static void create(int64_t deadline_us)
{
    replica = pg_replica_create(&(struct pg_replica_setup){
        .connections = CONNECTIONS,
        .deadline_us = deadline_us,
        .metrics = metrics,
        .batch_ended = on_batch_ended,
        .owner = &ended,
    });
    assert_non_null(replica);
    assert_int_equal(link_count, LINKS);
}

static void set_up_link(struct pg_link *link)
{
    assert_int_equal(link->state, PG_LINK_CONNECTING);
    link->state = PG_LINK_READY;
    link->setup.owner.set_up(link->setup.owner.owner, now);
}

static void lose_of(struct pg_link *link, bool server_at_fault)
{
    const struct pg_link_loss loss = {.reason = "the server is gone",
                                      .server_at_fault = server_at_fault,
                                      .batch = link->batch,
                                      .outcome = BATCH_LOST};
    link->state = PG_LINK_DOWN;
    link->batch = NULL;
    link->setup.owner.lost(link->setup.owner.owner, &loss, now.mono_us);
}

static void lose(struct pg_link *link)
{
    lose_of(link, false);
}

static void lose_at_fault(struct pg_link *link)
{
    lose_of(link, true);
}

static void tell_barrier(const char *place)
{
    struct pg_link *asker = &links[ASKER];
    struct pg_barrier barrier = {.timeline = "00000001", .primary = "one"};
    assert_int_equal(asker->state, PG_LINK_ASKING);
    snprintf(barrier.place, sizeof barrier.place, "%s", place == NULL ? "" : place);
    asker->state = PG_LINK_READY;
    asker->setup.owner.told_barrier(asker->setup.owner.owner, place == NULL ? NULL : &barrier, now);
}

/* Takes a batch, whose barrier the primary tells. */
static void send_behind(struct batch *batch, const char *place)
{
    pg_replica_send(replica, batch);
    pg_replica_end_iteration(replica, now);
    tell_barrier(place);
}

static void end_batch(struct pg_link *link, enum batch_outcome outcome)
{
    struct batch *batch = link->batch;
    assert_non_null(batch);
    link->batch = NULL;
    link->state = PG_LINK_READY;
    link->setup.owner.batch_ended(link->setup.owner.owner, batch, outcome, now.mono_us);
}

static void pass(int64_t us)
{
    now.mono_us += us;
    pg_replica_tick(replica, now);
}

static int make(NO_STATE)
{
    now = (struct instant){.mono_us = 1000 * 1000, .wall_us = 1000 * 1000};
    metrics = metrics_create();
    return metrics == NULL;
}

/* All links are up, and the primary knows its mark. */
static int make_ready(test_state state)
{
    if (make(state) != 0) {
        return 1;
    }
    create(DEADLINE_US);
    pg_replica_tick(replica, now);
    for (size_t i = 0; i < LINKS; i++) {
        set_up_link(&links[i]);
    }
    pg_replica_end_iteration(replica, now);
    tell_barrier("0/1");
    return 0;
}

static int free_all(NO_STATE)
{
    pg_replica_close(replica);
    pg_replica_destroy(&replica);
    link_count = 0;
    memset(&ended, 0, sizeof ended);
    free(metrics);
    return 0;
}

/* ---- cases ---- */

/* The primary still has half of a request's time, or more. */
static void test_patience(NO_STATE)
{
    static const struct {
        int64_t deadline_us, patience_us;
    } cases[] = {
        {100 * 1000, 25 * 1000},   {399 * 1000, 99750},          {400 * 1000, 100 * 1000},
        {2000 * 1000, 100 * 1000}, {30000LL * 1000, 100 * 1000},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        link_count = 0;
        create(cases[i].deadline_us);
        for (size_t j = 0; j < LINKS; j++) {
            assert_int_equal(links[j].setup.deadline_us, cases[i].deadline_us);
            assert_int_equal(links[j].setup.patience_us, cases[i].patience_us);
        }
        if (i + 1 < LENGTH(cases)) {
            pg_replica_destroy(&replica);
        }
    }
}

/* The first question comes ahead of any batch, and marks the primary. */
static void test_it_introduces_itself(NO_STATE)
{
    create(DEADLINE_US);
    assert_false(pg_replica_available(replica));
    pg_replica_end_iteration(replica, now);
    pg_replica_tick(replica, now);
    assert_int_equal(links[ASKER].connects, 1);
    set_up_link(&links[ASKER]);
    assert_false(pg_replica_available(replica));
    pg_replica_end_iteration(replica, now);
    assert_int_equal(links[ASKER].asked, 1);
    assert_true(links[ASKER].marks);
    tell_barrier("0/1");
    pg_replica_end_iteration(replica, now);
    assert_int_equal(links[ASKER].asked, 1);
    set_up_link(&links[1]);
    assert_true(pg_replica_available(replica));
    assert_true(pg_replica_can_send(replica));
}

static void test_one_question_for_all_batches_of_an_iteration(NO_STATE)
{
    for (size_t i = 0; i < CONNECTIONS; i++) {
        assert_true(pg_replica_can_send(replica));
        pg_replica_send(replica, &batches[i]);
        assert_null(links[i + 1].batch);
    }
    assert_false(pg_replica_can_send(replica)); /* no link is free */
    pg_replica_end_iteration(replica, now);
    pg_replica_end_iteration(replica, now);
    assert_int_equal(links[ASKER].asked, 2);
    assert_false(links[ASKER].marks);
    tell_barrier("0/2A");
    for (size_t i = 0; i < CONNECTIONS; i++) {
        assert_ptr_equal(links[i + 1].batch, &batches[i]);
        assert_string_equal(links[i + 1].barrier.place, "0/2A");
    }
    assert_int_equal(metrics_get(metrics, METRIC_REPLICA_BARRIERS), 2);
    end_batch(&links[1], BATCH_DONE);
    expect_ended(1, &batches[0], BATCH_DONE);
    end_batch(&links[2], BATCH_DONE);
    expect_ended(2, &batches[1], BATCH_DONE);
}

/* What the primary is about to tell may be older than a batch that comes now. */
static void test_no_batch_joins_a_question(NO_STATE)
{
    pg_replica_send(replica, &batches[0]);
    pg_replica_end_iteration(replica, now);
    assert_true(pg_replica_available(replica));
    assert_false(pg_replica_can_send(replica));
    tell_barrier("0/2");
    assert_true(pg_replica_can_send(replica));
    pg_replica_send(replica, &batches[1]);
    assert_null(links[2].batch);
    pg_replica_end_iteration(replica, now);
    assert_int_equal(links[ASKER].asked, 3);
    tell_barrier("0/3");
    assert_string_equal(links[1].barrier.place, "0/2");
    assert_string_equal(links[2].barrier.place, "0/3");
    end_batch(&links[1], BATCH_DONE);
    end_batch(&links[2], BATCH_DONE);
}

/* Its time-outs would take it down while it is to send. */
static void test_a_link_that_waits_for_a_barrier_has_no_upkeep(NO_STATE)
{
    pg_replica_send(replica, &batches[0]);
    pg_replica_end_iteration(replica, now);
    unsigned asker = links[ASKER].ticks, holder = links[1].ticks, other = links[2].ticks;
    pass(1000);
    assert_int_equal(links[ASKER].ticks, asker + 1);
    assert_int_equal(links[1].ticks, holder);
    assert_int_equal(links[2].ticks, other + 1);
    tell_barrier("0/2");
    pass(1000);
    assert_int_equal(links[1].ticks, holder + 1);
    end_batch(&links[1], BATCH_DONE);
}

static void test_it_rests_after_a_batch_was_declined(NO_STATE)
{
    send_behind(&batches[0], "0/2");
    end_batch(&links[1], BATCH_DECLINED);
    expect_ended(1, &batches[0], BATCH_DECLINED);
    assert_int_equal(metrics_get(metrics, METRIC_REPLICA_BEHIND), 1);
    assert_false(pg_replica_available(replica));
    pass(1000);
    assert_false(pg_replica_available(replica));
    pass(LONG_US); /* one batch finds out how things are */
    assert_true(pg_replica_can_send(replica));
    pg_replica_send(replica, &batches[1]);
    assert_false(pg_replica_available(replica));
    pg_replica_end_iteration(replica, now);
    tell_barrier("0/3");
    assert_false(pg_replica_available(replica));
    end_batch(&links[1], BATCH_DONE);
    assert_true(pg_replica_can_send(replica));
}

/* Only the primary can tell what is wrong with such a batch. */
static void test_what_fails_is_declined(NO_STATE)
{
    send_behind(&batches[0], "0/2");
    end_batch(&links[1], BATCH_UNAVAILABLE);
    expect_ended(1, &batches[0], BATCH_DECLINED);
    assert_int_equal(metrics_get(metrics, METRIC_REPLICA_FAILED), 1);
    assert_int_equal(metrics_get(metrics, METRIC_REPLICA_BEHIND), 0);
}

static void test_a_primary_that_tells_nothing(NO_STATE)
{
    pg_replica_send(replica, &batches[0]);
    pg_replica_send(replica, &batches[1]);
    pg_replica_end_iteration(replica, now);
    tell_barrier(NULL);
    expect_ended(2, &batches[1], BATCH_DECLINED);
    pass(LONG_US);
    pg_replica_send(replica, &batches[2]);
    pg_replica_end_iteration(replica, now);
    assert_true(links[ASKER].marks); /* as its mark may be missing */
    tell_barrier("0/3");
    assert_ptr_equal(links[1].batch, &batches[2]);
    end_batch(&links[1], BATCH_DONE);
}

/* As with a role that lacks a right. Each attempt waits for twice as long as the one before. */
static void test_a_primary_that_ends_the_session_that_asks(NO_STATE)
{
    enum { ATTEMPTS = 8, TICK_US = 5 * 1000, WAIT_MAX_US = 2000 * 1000 };
    struct pg_link *asker = &links[ASKER];
    int64_t waits_us[ATTEMPTS];
    for (int i = 0; i < ATTEMPTS; i++) {
        lose_at_fault(asker);
        const int64_t lost_us = now.mono_us;
        while (asker->state == PG_LINK_DOWN && now.mono_us - lost_us < LONG_US) {
            pass(TICK_US);
        }
        waits_us[i] = now.mono_us - lost_us;
        set_up_link(asker);
        pg_replica_end_iteration(replica, now);
        assert_int_equal(asker->state, PG_LINK_ASKING);
    }
    assert_true(waits_us[0] < WAIT_MAX_US / 8);
    assert_true(waits_us[ATTEMPTS - 1] >= WAIT_MAX_US / 2);
    tell_barrier("0/2");
    lose_at_fault(asker);
    pass(WAIT_MAX_US / 8);
    assert_int_equal(asker->state, PG_LINK_CONNECTING);
}

/* An attempt that the breaker let through ends in any case, or there is never another. */
static void test_a_primary_that_goes_before_it_tells(NO_STATE)
{
    struct pg_link *asker = &links[ASKER];
    lose_at_fault(asker);
    pass(LONG_US);
    set_up_link(asker);
    pg_replica_end_iteration(replica, now);
    lose(asker);
    pass(LONG_US);
    assert_int_equal(asker->state, PG_LINK_CONNECTING);
    set_up_link(asker);
    pg_replica_end_iteration(replica, now);
    lose(&links[1]);
    tell_barrier(NULL);
    pass(LONG_US);
    assert_int_equal(links[1].state, PG_LINK_CONNECTING);
}

static void test_links_that_are_lost(NO_STATE)
{
    send_behind(&batches[0], "0/2");       /* is under way when its link goes */
    pg_replica_send(replica, &batches[1]); /* waits when its link goes */
    lose(&links[1]);
    expect_ended(1, &batches[0], BATCH_DECLINED);
    lose(&links[2]);
    expect_ended(2, &batches[1], BATCH_DECLINED);
    pass(LONG_US);
    set_up_link(&links[1]);
    pg_replica_send(replica, &batches[2]); /* waits when the primary goes */
    pg_replica_end_iteration(replica, now);
    lose(&links[ASKER]);
    expect_ended(3, &batches[2], BATCH_DECLINED);
    assert_int_equal(links[1].state, PG_LINK_READY);
    pass(LONG_US);
    assert_false(pg_replica_available(replica));
    set_up_link(&links[ASKER]);
    pg_replica_end_iteration(replica, now);
    assert_true(links[ASKER].marks); /* it may be another server */
    tell_barrier("0/1");
    assert_true(pg_replica_can_send(replica));
}

/* A URL with several hosts may lead to another server than before. */
static void test_servers_that_change_their_part(NO_STATE)
{
    static const struct {
        size_t link;
        bool read_only;
        const char *dropped;
    } cases[] = {
        {ASKER, false, NULL},
        {1, true, NULL},
        {ASKER, true, "the server became read-only"},
        {1, false, "the server is no standby"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct pg_link *link = &links[cases[i].link];
        link->read_only = cases[i].read_only;
        link->setup.owner.idle(link->setup.owner.owner, now);
        if (cases[i].dropped == NULL) {
            assert_null(link->dropped);
        } else {
            assert_string_equal(link->dropped, cases[i].dropped);
        }
    }
}

/* Whose turn it is changes, so that no link keeps the others from it. */
static void test_one_attempt_at_a_time_where_none_connects(NO_STATE)
{
    create(DEADLINE_US);
    pg_replica_tick(replica, now);
    for (size_t i = 0; i < LINKS; i++) {
        assert_int_equal(links[i].connects, 1);
        links[i].state = PG_LINK_DOWN;
        links[i].setup.owner.not_connected(links[i].setup.owner.owner, "refused", now.mono_us);
    }
    for (unsigned i = 0; i < 2 * LINKS; i++) {
        pass(LONG_US);
        unsigned connects = 0;
        for (size_t j = 0; j < LINKS; j++) {
            connects += links[j].connects;
            if (links[j].state == PG_LINK_CONNECTING) {
                links[j].state = PG_LINK_DOWN;
                links[j].setup.owner.not_connected(links[j].setup.owner.owner, "refused",
                                                   now.mono_us);
            }
        }
        assert_int_equal(connects, LINKS + 1 + i);
    }
    for (size_t i = 0; i < LINKS; i++) {
        assert_int_equal(links[i].connects, 3);
    }
}

/* What waits for a barrier, and what is under way, is the primary's then. */
static void test_the_end(NO_STATE)
{
    send_behind(&batches[0], "0/2");
    pg_replica_send(replica, &batches[1]);
    pg_replica_end_iteration(replica, now);
    pg_replica_close(replica);
    assert_int_equal(ended.calls, 2);
    assert_int_equal(ended.outcome, BATCH_DECLINED);
    assert_false(pg_replica_available(replica));
    pass(LONG_US);
    for (size_t i = 0; i < LINKS; i++) {
        assert_int_equal(links[i].connects, 1);
    }
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make, free_all)
#define CASE_OF_READY(name) cmocka_unit_test_setup_teardown(name, make_ready, free_all)
    const struct CMUnitTest tests[] = {
        CASE(test_patience),
        CASE(test_it_introduces_itself),
        CASE_OF_READY(test_one_question_for_all_batches_of_an_iteration),
        CASE_OF_READY(test_no_batch_joins_a_question),
        CASE_OF_READY(test_a_link_that_waits_for_a_barrier_has_no_upkeep),
        CASE_OF_READY(test_it_rests_after_a_batch_was_declined),
        CASE_OF_READY(test_what_fails_is_declined),
        CASE_OF_READY(test_a_primary_that_tells_nothing),
        CASE_OF_READY(test_a_primary_that_ends_the_session_that_asks),
        CASE_OF_READY(test_a_primary_that_goes_before_it_tells),
        CASE_OF_READY(test_links_that_are_lost),
        CASE_OF_READY(test_servers_that_change_their_part),
        CASE(test_one_attempt_at_a_time_where_none_connects),
        CASE_OF_READY(test_the_end),
    };
#undef CASE
#undef CASE_OF_READY
    return cmocka_run_group_tests(tests, NULL, NULL);
}
