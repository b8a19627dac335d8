/* A store's states, and its life where nobody listens. */
#include "unit.h"

#include "rsvpd/base/clock.h"
#include "rsvpd/base/log.h"
#include "rsvpd/store/redis_store.h"

#include <string.h>

/* In each row the states that may follow, in the order of the enum. */
static void test_changes(NO_STATE)
{
    static const char *const rows[REDIS_STATE_COUNT] = {
        [REDIS_DOWN] = ".F..",
        [REDIS_FINDING] = "D.C.",
        [REDIS_CONNECTING] = "D..U",
        [REDIS_UP] = "D...",
    };
    for (int from = 0; from < REDIS_STATE_COUNT; from++) {
        assert_int_equal(strlen(rows[from]), REDIS_STATE_COUNT);
        for (int to = 0; to < REDIS_STATE_COUNT; to++) {
            bool may = redis_store_may_change((enum redis_state)from, (enum redis_state)to);
            if (may != (rows[from][to] != '.')) {
                fail_msg("from %d to %d: %d", from, to, may);
            }
        }
    }
}

static uv_loop_t loop;
static struct metrics metrics;

static struct redis_store *make_store(const struct redis_url *url)
{
    struct redis_store *store;
    log_configure(LOG_ERROR, LOG_FORMAT_JSON);
    assert_int_equal(uv_loop_init(&loop), 0);
    store = redis_store_create(&(struct redis_store_setup){.loop = &loop,
                                                           .address = {.url = url},
                                                           .namespace = "test",
                                                           .ttl_ms = 1000,
                                                           .metrics = &metrics});
    assert_non_null(store);
    return store;
}

static void free_store(struct redis_store *store)
{
    redis_store_close(store);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    redis_store_destroy(&store);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void expect_no_use(const struct redis_store *store)
{
    const struct redis_counts_port *port = redis_store_port(store);
    const struct redis_count entry = {.relation = &relations[RELATION_RSVP]};
    assert_false(redis_store_state(store).up);
    assert_false(port->available(port->store));
    assert_false(port->read(port->store, &entry, 1, clock_now()));
    assert_false(port->publish(port->store, &entry, 1));
    const struct redis_rates_port *rates = redis_store_rates_port(store);
    const struct rate_share share = {.hash = 1, .charge_us = 1, .debt_max_us = 2};
    assert_false(rates->available(rates->store));
    assert_false(rates->exchange(rates->store, &share, 1));
}

static void test_it_stays_down_where_nobody_listens(NO_STATE)
{
    static const struct redis_url url = {.path = "/nonexistent/redis.sock"};
    struct redis_store *store = make_store(&url);
    struct instant now = clock_now();
    expect_no_use(store);
    for (int attempt = 0; attempt < 2; attempt++) {
        redis_store_tick(store, now);
        expect_no_use(store);
        assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
        expect_no_use(store);
        now.mono_us += INT64_C(60) * 1000 * 1000; /* past any back-off */
    }
    free_store(store);
}

/* A name that is being looked up when the store closes leads nowhere. */
static void test_it_closes_while_it_looks_a_name_up(NO_STATE)
{
    static const struct redis_url url = {.host = "127.0.0.1", .port = 1};
    struct redis_store *store = make_store(&url);
    redis_store_tick(store, clock_now());
    expect_no_use(store);
    free_store(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_it_stays_down_where_nobody_listens),
        cmocka_unit_test(test_it_closes_while_it_looks_a_name_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
