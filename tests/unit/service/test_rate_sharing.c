/* Sharing of rates between processes, with a Redis that adds up, and may be slow, away or flushed.
 */
#include "unit.h"

#include "rsvpd/service/rate_sharing.h"

#include <stdlib.h>

enum { PROCESSES = 3, CALLERS_MAX = 64, IN_FLIGHT_MAX = 8 };

static const int64_t SECOND_US = 1000 * 1000;
static const int64_t BEGIN_US = 1000 * 1000 * 1000;

/* What Redis holds of a caller, as the script of the store keeps it. */
struct held {
    uint64_t hash;
    int64_t at_us, debt_us;
};

struct flight {
    size_t process, size;
    int64_t sent_us;
    struct rate_share shares[REDIS_RATES_MAX];
};

static struct world {
    int64_t now_us;
    bool away, full; /* it cannot be asked at all; or not now */
    struct held held[CALLERS_MAX];
    size_t held_size;
    struct flight flights[IN_FLIGHT_MAX];
    size_t flights_size;
    struct redis_rates_port ports[PROCESSES];
    struct rate_sharing sharings[PROCESSES];
    struct metrics *metrics;
} world;

static bool is_available(void *store)
{
    (void)store;
    return !world.away;
}

static bool take_shares(void *store, const struct rate_share *shares, size_t size)
{
    assert_false(world.away);
    if (world.full || world.flights_size == IN_FLIGHT_MAX) {
        return false;
    }
    struct flight *flight = &world.flights[world.flights_size++];
    flight->process = (size_t)((struct redis_rates_port *)store - world.ports);
    flight->size = size;
    flight->sent_us = world.now_us;
    memcpy(flight->shares, shares, size * sizeof *shares);
    return true;
}

static struct held *find_held(uint64_t hash)
{
    size_t place = 0;
    while (place < world.held_size && world.held[place].hash != hash) {
        place++;
    }
    assert_true(place < CALLERS_MAX);
    world.held_size = place == world.held_size ? place + 1 : world.held_size;
    world.held[place].hash = hash;
    return &world.held[place];
}

/* Ends all exchanges, answered or lost. */
static void answer(bool answered)
{
    for (size_t i = 0; i < world.flights_size; i++) {
        struct flight *flight = &world.flights[i];
        for (size_t j = 0; j < flight->size && answered; j++) {
            struct held *held = find_held(flight->shares[j].hash);
            int64_t left_us = held->debt_us - (world.now_us - held->at_us);
            int64_t least_us = -flight->shares[j].spell_us;
            held->debt_us = (left_us > least_us ? left_us : least_us) + flight->shares[j].charge_us;
            held->at_us = world.now_us;
            flight->shares[j].debt_us = held->debt_us > 0 ? held->debt_us : 0;
            flight->shares[j].answered = true;
        }
        rate_sharing_exchanged(&world.sharings[flight->process], flight->shares, flight->size,
                               flight->sent_us, world.now_us);
    }
    world.flights_size = 0;
}

static int begin_world(void **state)
{
    (void)state;
    world = (struct world){.now_us = BEGIN_US, .metrics = metrics_create()};
    assert_non_null(world.metrics);
    for (size_t i = 0; i < PROCESSES; i++) {
        world.ports[i] = (struct redis_rates_port){
            .store = &world.ports[i], .available = is_available, .exchange = take_shares};
        world.sharings[i] = (struct rate_sharing){
            .table =
                rate_table_create(&(struct rate_table_setup){.limits.of = {[RATE_USER] = {100, 10}},
                                                             .capacity = 1024,
                                                             .secret = 7,
                                                             .shared = true}),
            .redis = &world.ports[i],
            .metrics = world.metrics,
        };
        assert_non_null(world.sharings[i].table);
    }
    return 0;
}

static int end_world(void **state)
{
    (void)state;
    for (size_t i = 0; i < PROCESSES; i++) {
        rate_table_destroy(&world.sharings[i].table);
    }
    free(world.metrics);
    return 0;
}

static bool take(size_t process, const char *user)
{
    return rate_table_take(world.sharings[process].table, RATE_USER, slice_of(user), world.now_us)
        .allowed;
}

static void tick(void)
{
    for (size_t i = 0; i < PROCESSES; i++) {
        rate_sharing_tick(&world.sharings[i], world.now_us);
    }
}

static uint64_t metric(enum metric which)
{
    return metrics_get(world.metrics, which);
}

/* A caller who comes to all processes a thousand times a second each, for so long, while Redis
 * answers within a tick. How many are admitted. */
static int64_t come_everywhere(int64_t duration_us)
{
    int64_t end_us = world.now_us + duration_us, allowed = 0;
    for (int64_t ms = 0; world.now_us < end_us; ms++, world.now_us += 1000) {
        for (size_t i = 0; i < PROCESSES; i++) {
            allowed += take(i, "u1");
        }
        if (ms % 10 == 5) {
            answer(true);
            tick();
        }
    }
    return allowed;
}

/* N at once, then N / S, and beyond that what fits into the time of an exchange. */
static void test_a_caller_who_spreads_gets_little_more(NO_STATE)
{
    enum { FITS = 3 * 70 /* at all processes, in an exchange and the ticks around it */ };
    int64_t allowed = come_everywhere(2 * SECOND_US);
    assert_in_range(allowed, 120, 100 + 20 + FITS);
    /* What was too much is not forgiven: after a while it is as if one process had them all. */
    allowed += come_everywhere(98 * SECOND_US);
    assert_in_range(allowed, 1100, 1100 + 60);
    assert_true(metric(METRIC_RATE_SHARES_EXCHANGED) > 100);
    assert_int_equal(metric(METRIC_RATE_SHARES_LOST), 0);
    assert_int_equal(metric(METRIC_RATE_SHARES_DROPPED), 0);
}

/* Below the limit in each process, above it in all: each knows every request as paid off. */
static void test_a_caller_who_stays_below_everywhere_is_held(NO_STATE)
{
    static const struct rate limit = {100, 1}; /* one in 10 ms */
    enum { EVERY_MS = 13, DURATION_MS = 20 * 1000, FITS = 50 };
    int64_t allowed = 0;
    for (size_t i = 0; i < PROCESSES; i++) {
        rate_table_set_limit(world.sharings[i].table, RATE_USER, &limit);
    }
    for (int ms = 0; ms < DURATION_MS; ms++, world.now_us += 1000) {
        for (size_t i = 0; i < PROCESSES; i++) {
            allowed += (ms + 4 * (int)i) % EVERY_MS == 0 && take(i, "u1");
        }
        if (ms % 10 == 5) {
            answer(true);
            tick();
        }
    }
    assert_in_range(allowed, 100 + 100 * DURATION_MS / 1000, 100 + 100 * DURATION_MS / 1000 + FITS);
}

/* Just at the limit, in one process: it is not charged for what others have not seen. */
static void test_a_caller_at_the_limit_is_not_refused(NO_STATE)
{
    static const struct rate limit = {100, 1};
    for (size_t i = 0; i < PROCESSES; i++) {
        rate_table_set_limit(world.sharings[i].table, RATE_USER, &limit);
    }
    for (int i = 0; i < 99; i++) {
        assert_true(take(0, "u1"));
    }
    for (int ms = 0; ms < 20 * 1000; ms++, world.now_us += 1000) {
        assert_true(ms % 10 != 0 || take(0, "u1"));
        if (ms % 10 == 5) {
            answer(true);
            tick();
        }
    }
}

static void test_without_redis_each_holds_its_own(NO_STATE)
{
    world.away = true;
    assert_in_range(come_everywhere(SECOND_US), PROCESSES * 109, PROCESSES * 110);
    /* Once it is there, it is told what is still owed. */
    world.away = false;
    tick();
    answer(true);
    assert_int_equal(world.held_size, 1);
    assert_in_range(world.held[0].debt_us, 2 * 9 * SECOND_US,
                    3 * (10 * SECOND_US + RATE_SPELL_MAX_US));
}

static void test_a_flush_forgets_nothing_here(NO_STATE)
{
    for (unsigned i = 0; i < 100; i++) {
        assert_true(take(0, "u1"));
    }
    tick();
    answer(true);
    world.held_size = 0;
    memset(world.held, 0, sizeof world.held);
    world.now_us += SECOND_US / 10;
    assert_true(take(0, "u1"));
    tick();
    answer(true);
    assert_false(take(0, "u1"));
    assert_int_equal(world.held_size, 1);
    assert_int_equal(world.held[0].debt_us, 0); /* one request, at the beginning of its spell */
}

static void test_what_is_lost_is_counted(NO_STATE)
{
    assert_true(take(0, "u1"));
    assert_true(take(0, "u2"));
    tick();
    answer(false);
    assert_int_equal(metric(METRIC_RATE_SHARES_LOST), 2);
    world.now_us += SECOND_US;
    tick();
    assert_int_equal(world.flights_size, 0); /* it may have been told: it is not told again */
}

static void test_what_cannot_be_sent_is_kept(NO_STATE)
{
    assert_true(take(0, "u1"));
    world.full = true;
    tick();
    world.full = false;
    world.now_us += RATE_SHARING_EVERY_US;
    tick();
    assert_int_equal(world.flights_size, 1);
    assert_int_equal(world.flights[0].shares[0].requests, 1);
    answer(true);
}

/* No more than so many batches in a turn, and the rest in the next ones. */
static void test_a_turn_is_bounded(NO_STATE)
{
    enum { CALLERS = (RATE_SHARING_BATCHES_MAX + 1) * REDIS_RATES_MAX };
    rate_table_destroy(&world.sharings[0].table);
    world.sharings[0].table = rate_table_create(&(struct rate_table_setup){
        .limits.of = {[RATE_USER] = {100, 10}}, .capacity = 16 * CALLERS, .shared = true});
    for (unsigned i = 0; i < CALLERS; i++) {
        (void)rate_table_take(world.sharings[0].table, RATE_USER,
                              slice_make((const char *)&i, sizeof i), world.now_us);
    }
    tick();
    assert_int_equal(world.flights_size, RATE_SHARING_BATCHES_MAX);
    world.flights_size = 0;
    tick();
    assert_int_equal(world.flights_size, 0); /* it is not time yet */
    world.now_us += RATE_SHARING_EVERY_US;
    tick();
    assert_int_equal(world.flights_size, 1);
    assert_int_equal(world.flights[0].size, REDIS_RATES_MAX);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin_world, end_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_a_caller_who_spreads_gets_little_more),
        CASE(test_a_caller_who_stays_below_everywhere_is_held),
        CASE(test_a_caller_at_the_limit_is_not_refused),
        CASE(test_without_redis_each_holds_its_own),
        CASE(test_a_flush_forgets_nothing_here),
        CASE(test_what_is_lost_is_counted),
        CASE(test_what_cannot_be_sent_is_kept),
        CASE(test_a_turn_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
