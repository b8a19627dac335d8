/* A link's states, and its life where nobody listens. */
#include "unit.h"

#include "rsvpd/base/clock.h"
#include "rsvpd/base/log.h"
#include "rsvpd/store/pg_link.h"

/* What the owner was told. */
static struct {
    unsigned not_connected, others;
} told;

static void on_not_connected(void *owner, const char *reason, int64_t now_us)
{
    assert_ptr_equal(owner, &told);
    assert_true(strlen(reason) > 0);
    assert_true(now_us > 0);
    told.not_connected++;
}

static void on_lost(void *owner, const struct pg_link_loss *loss, int64_t now_us)
{
    (void)owner, (void)loss, (void)now_us;
    told.others++;
}

static void on_change(void *owner, struct instant now)
{
    (void)owner, (void)now;
    told.others++;
}

/* In each row the states that may follow, in the order of the enum. */
static void test_changes(NO_STATE)
{
    static const char *const rows[PG_LINK_STATE_COUNT] = {
        [PG_LINK_DOWN] = ".C.......",       [PG_LINK_CONNECTING] = "D.S......",
        [PG_LINK_SETTING_UP] = "D..R.....", [PG_LINK_READY] = "D...BFAE.",
        [PG_LINK_BUSY] = "D..R....X",       [PG_LINK_REFRESHING] = "D..R....X",
        [PG_LINK_ASKING] = "D..R....X",     [PG_LINK_FENCING] = "D..R....X",
        [PG_LINK_BROKEN] = "D........",
    };
    for (int from = 0; from < PG_LINK_STATE_COUNT; from++) {
        assert_int_equal(strlen(rows[from]), PG_LINK_STATE_COUNT);
        for (int to = 0; to < PG_LINK_STATE_COUNT; to++) {
            bool may = pg_link_may_change((enum pg_link_state)from, (enum pg_link_state)to);
            if (may != (rows[from][to] != '.')) {
                fail_msg("from %d to %d: %d", from, to, may);
            }
        }
    }
}

/* Any state leads back to being down, and being down leads to any. */
static void test_no_state_is_a_dead_end(NO_STATE)
{
    bool reached[PG_LINK_STATE_COUNT] = {[PG_LINK_DOWN] = true};
    for (int round = 0; round < PG_LINK_STATE_COUNT; round++) {
        for (int from = 0; from < PG_LINK_STATE_COUNT; from++) {
            for (int to = 0; to < PG_LINK_STATE_COUNT && reached[from]; to++) {
                reached[to] = reached[to] ||
                              pg_link_may_change((enum pg_link_state)from, (enum pg_link_state)to);
            }
        }
    }
    for (int from = 0; from < PG_LINK_STATE_COUNT; from++) {
        assert_true(reached[from]);
        assert_true(from == PG_LINK_DOWN ||
                    pg_link_may_change((enum pg_link_state)from, PG_LINK_DOWN));
    }
}

static struct secret *url;
static uv_loop_t loop;
static struct pg_link_log link_log;
static struct pg_link *link_under_test;

static int make_link(NO_STATE)
{
    log_configure(LOG_ERROR, LOG_FORMAT_JSON);
    memset(&told, 0, sizeof told);
    url = secret_create("DATABASE_URL", NULL, "host=/nonexistent dbname=none", NULL);
    link_under_test = pg_link_create(&(struct pg_link_setup){
        .loop = &loop,
        .url = url,
        .access = PG_WRITES,
        .deadline_us = 1000000,
        .log = &link_log,
        .owner = {.owner = &told,
                  .set_up = on_change,
                  .not_connected = on_not_connected,
                  .lost = on_lost,
                  .unfit = on_change,
                  .idle = on_change},
    });
    return url == NULL || link_under_test == NULL || uv_loop_init(&loop) != 0;
}

static int free_link(NO_STATE)
{
    pg_link_destroy(&link_under_test);
    secret_destroy(&url);
    return uv_loop_close(&loop);
}

static void run_loop(void)
{
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
}

static void test_it_tells_that_it_cannot_connect(NO_STATE)
{
    for (unsigned attempt = 1; attempt <= 2; attempt++) {
        assert_int_equal(pg_link_state(link_under_test), PG_LINK_DOWN);
        assert_false(pg_link_is_usable(link_under_test));
        pg_link_connect(link_under_test);
        assert_int_equal(pg_link_state(link_under_test), PG_LINK_CONNECTING);
        pg_link_tick(link_under_test, clock_now());
        assert_false(pg_link_is_usable(link_under_test));
        run_loop();
        assert_int_equal(told.not_connected, attempt);
    }
    assert_int_equal(pg_link_state(link_under_test), PG_LINK_DOWN);
    assert_int_equal(told.others, 0);
}

static void test_nobody_is_told_of_one_that_closes(NO_STATE)
{
    pg_link_connect(link_under_test);
    pg_link_close(link_under_test);
    assert_int_equal(pg_link_state(link_under_test), PG_LINK_CONNECTING);
    run_loop();
    assert_int_equal(pg_link_state(link_under_test), PG_LINK_DOWN);
    assert_int_equal(told.not_connected + told.others, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_no_state_is_a_dead_end),
        cmocka_unit_test_setup_teardown(test_it_tells_that_it_cannot_connect, make_link, free_link),
        cmocka_unit_test_setup_teardown(test_nobody_is_told_of_one_that_closes, make_link,
                                        free_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
