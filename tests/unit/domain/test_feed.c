/* Changes on their way to a target, and how far the log is done with. */
#include "unit.h"

#include "rsvpd/domain/feed.h"

enum { BATCH_MAX = 3 };

#define COMMITTED_US INT64_C(1795342530123456)

static struct feed feed;

static int set_up(NO_STATE)
{
    return feed_init(&feed, BATCH_MAX, CHANGE_TYPES_ALL & ~(1u << CHANGE_LIKE_CREATED)) ? 0 : -1;
}

static int tear_down(NO_STATE)
{
    feed_free(&feed);
    return 0;
}

static void add(enum change_type type, uint64_t commit_lsn, uint64_t number)
{
    assert_true(feed_has_room(&feed));
    feed_add(&feed, commit_lsn, COMMITTED_US,
             &(struct change){.type = type,
                              .number = number,
                              .entity = slice_of("101a"),
                              .user = slice_of(change_types[type].has_user ? "u\"1" : "")});
}

static void test_lines(NO_STATE)
{
    add(CHANGE_RSVP_PROMOTED, 0x1016b3748, 1);
    add(CHANGE_LIKE_CREATED, 0x1016b3748, 2); /* nobody wants to know */
    add(CHANGE_LIKE_DELETED, 0x1016b3748, 3);
    add(CHANGE_EVENT_RELEASED, 0x1016b3748, 4);
    const struct feed_batch *batch = feed_send(&feed);
    assert_int_equal(batch->count, 3);
    assert_int_equal(batch->counts[CHANGE_RSVP_PROMOTED], 1);
    assert_int_equal(batch->counts[CHANGE_LIKE_CREATED], 0);
    unit_expect_text("lines", text_slice(&batch->lines),
                     "{\"id\":\"1/16B3748/1\",\"type\":\"rsvp.promoted\",\"event_id\":\"101a\","
                     "\"user_id\":\"u\\\"1\",\"committed_at\":\"2026-11-22T10:15:30.123Z\"}\n"
                     "{\"id\":\"1/16B3748/3\",\"type\":\"like.deleted\",\"post_id\":\"101a\","
                     "\"user_id\":\"u\\\"1\",\"committed_at\":\"2026-11-22T10:15:30.123Z\"}\n"
                     "{\"id\":\"1/16B3748/4\",\"type\":\"event.released\",\"event_id\":\"101a\","
                     "\"committed_at\":\"2026-11-22T10:15:30.123Z\"}\n");
}

/* The longest that there is fits, whatever it is made of. */
static void test_the_longest_line(NO_STATE)
{
    char id[CHANGES_ID_SIZE_MAX_BYTES];
    memset(id, '\x01', sizeof id);
    for (int i = 0; i < BATCH_MAX; i++) {
        feed_add(&feed, UINT64_MAX, COMMITTED_US,
                 &(struct change){.type = CHANGE_RSVP_LEFT_WAITLIST,
                                  .number = UINT64_MAX,
                                  .entity = slice_make(id, sizeof id),
                                  .user = slice_make(id, sizeof id)});
    }
    assert_false(feed_has_room(&feed));
}

static void test_nothing_is_confirmed_before_its_time(NO_STATE)
{
    feed_reach(&feed, 10); /* transactions that told nothing */
    assert_int_equal(feed.confirmed_lsn, 10);
    assert_null(feed_send(&feed));
    add(CHANGE_RSVP_CREATED, 20, 1);
    feed_reach(&feed, 21);
    assert_int_equal(feed.confirmed_lsn, 10);
    assert_non_null(feed_send(&feed));
    assert_null(feed_send(&feed)); /* one is on its way */
    feed_reach(&feed, 25); /* nothing more has gathered: the batch stands for this as well */
    add(CHANGE_RSVP_CREATED, 30, 1);
    feed_reach(&feed, 31);
    assert_int_equal(feed.confirmed_lsn, 10);
    feed_confirm(&feed);
    assert_int_equal(feed.confirmed_lsn, 25);
    assert_non_null(feed_send(&feed));
    feed_confirm(&feed);
    assert_int_equal(feed.confirmed_lsn, 31);
}

/* A transaction over several batches is confirmed with its last change. */
static void test_a_large_transaction(NO_STATE)
{
    for (unsigned i = 0; i < BATCH_MAX; i++) {
        add(CHANGE_RSVP_CREATED, 20, i + 1);
    }
    assert_false(feed_has_room(&feed));
    assert_non_null(feed_send(&feed));
    assert_true(feed_has_room(&feed));
    add(CHANGE_RSVP_CREATED, 20, 4);
    feed_confirm(&feed);
    assert_int_equal(feed.confirmed_lsn, 0);
    feed_reach(&feed, 22);
    assert_non_null(feed_send(&feed));
    feed_confirm(&feed);
    assert_int_equal(feed.confirmed_lsn, 22);
}

/* The end of one transaction and the beginning of the next in one batch. */
static void test_a_batch_that_ends_in_a_transaction(NO_STATE)
{
    add(CHANGE_RSVP_CREATED, 20, 1);
    feed_reach(&feed, 21);
    add(CHANGE_RSVP_CREATED, 30, 1);
    assert_non_null(feed_send(&feed));
    feed_confirm(&feed);
    assert_int_equal(feed.confirmed_lsn, 21);
    add(CHANGE_RSVP_CREATED, 30, 2);
    feed_reach(&feed, 31);
    assert_non_null(feed_send(&feed));
    feed_confirm(&feed);
    assert_int_equal(feed.confirmed_lsn, 31);
}

/* A session that broke: what has gathered comes again, what is on its way arrives. */
static void test_what_comes_again(NO_STATE)
{
    add(CHANGE_RSVP_CREATED, 20, 1);
    feed_reach(&feed, 21);
    assert_non_null(feed_send(&feed));
    add(CHANGE_RSVP_CREATED, 30, 1);
    feed_reach(&feed, 31);
    feed_drop_gathered(&feed);
    feed_confirm(&feed);
    assert_int_equal(feed.confirmed_lsn, 21);
    assert_null(feed_send(&feed));
}

/* The confirmation of a batch of another log advances nothing in this one. */
static void test_another_log(NO_STATE)
{
    add(CHANGE_RSVP_CREATED, 20, 1);
    feed_reach(&feed, 21);
    assert_non_null(feed_send(&feed));
    add(CHANGE_RSVP_CREATED, 30, 1);
    feed_drop_gathered(&feed);
    feed_forget_places(&feed);
    feed_confirm(&feed);
    assert_int_equal(feed.confirmed_lsn, 0);
    add(CHANGE_RSVP_CREATED, 5, 1);
    feed_reach(&feed, 6);
    assert_non_null(feed_send(&feed));
    feed_confirm(&feed);
    assert_int_equal(feed.confirmed_lsn, 6);
}

static void test_since_when_it_waits(NO_STATE)
{
    assert_int_equal(feed_waiting_since_us(&feed), 0);
    add(CHANGE_RSVP_CREATED, 20, 1);
    assert_int_equal(feed_waiting_since_us(&feed), COMMITTED_US);
    assert_non_null(feed_send(&feed));
    assert_int_equal(feed_waiting_since_us(&feed), COMMITTED_US);
    feed_confirm(&feed);
    assert_int_equal(feed_waiting_since_us(&feed), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_longest_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_confirmed_before_its_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_large_transaction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_batch_that_ends_in_a_transaction, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_comes_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_log, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_since_when_it_waits, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
