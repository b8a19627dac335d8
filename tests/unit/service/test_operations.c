/* The pool of operations, and the wheel that finds those past their deadline. */
#include "unit.h"

#include "rsvpd/service/operations.h"

enum { CAPACITY = 50, DEADLINE_US = 500 * 1000, LATE_MAX_US = 2 * WHEEL_TICK_US };

static const int64_t start_us = 7000000000007;

static void init(struct operations *operations)
{
    assert_true(operations_init(operations, CAPACITY, DEADLINE_US, start_us));
}

static void test_as_many_as_there_are(NO_STATE)
{
    struct operations operations;
    struct operation *taken[CAPACITY];
    init(&operations);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < CAPACITY; i++) {
            taken[i] = operations_take(&operations);
            assert_non_null(taken[i]);
            for (size_t j = 0; j < i; j++) {
                assert_ptr_not_equal(taken[i], taken[j]);
            }
        }
        assert_null(operations_take(&operations));
        operations_release(&operations, taken[3]);
        assert_ptr_equal(operations_take(&operations), taken[3]);
        assert_null(operations_take(&operations));
        for (size_t i = 0; i < CAPACITY; i++) {
            operations_release(&operations, taken[i]);
        }
    }
    operations_free(&operations);
}

static void test_one_that_was_used_comes_back_cleared(NO_STATE)
{
    struct operations operations;
    init(&operations);
    struct operation *used = operations_take(&operations);
    *used = (struct operation){.kind = OPERATION_COUNT,
                               .state = OPERATION_WAITING,
                               .relation = &relations[0],
                               .entity = unit_id("e"),
                               .user = unit_id("u"),
                               .deadline_us = start_us + 1,
                               .attempted = true,
                               .answered = true,
                               .batch_limit = 3,
                               .part.freshness = {.not_before_us = 4, .wants_primary = true},
                               .count = {5, 6, 7, 8, true},
                               .owner = used};
    operations_watch(&operations, used);
    operations_release(&operations, used);
    assert_ptr_equal(operations_take(&operations), used);
    assert_int_equal(used->state, OPERATION_FREE);
    assert_null(used->relation);
    assert_int_equal(used->entity.size + used->user.size, 0);
    assert_int_equal(used->deadline_us, 0);
    assert_int_equal(used->batch_limit, 0);
    assert_false(used->attempted || used->answered);
    const struct operation_write *write = operation_write(used);
    assert_false(write->past_capacity || write->changed || write->member || write->waiting);
    assert_int_equal(write->key.size, 0);
    assert_int_equal(used->count.value, 0);
    assert_int_equal(used->count.version, 0);
    assert_int_equal(used->count.as_of_mono_us, 0);
    assert_int_equal(used->count.as_of_wall_us, 0);
    assert_false(used->count.stale);
    assert_null(used->owner);
    assert_false(list_linked(&used->by_deadline));
    operations_free(&operations);
}

static struct operation *watched(struct operations *operations, int64_t deadline_us)
{
    struct operation *operation = operations_take(operations);
    assert_non_null(operation);
    operation->deadline_us = deadline_us;
    operations_watch(operations, operation);
    return operation;
}

/* Moves the clock by steps until the operation is past its deadline; answers when that was. */
static int64_t expires_at(struct operations *operations, const struct operation *operation,
                          int64_t now_us, int64_t step_us)
{
    struct operation *expired;
    while ((expired = operations_expired(operations, now_us)) == NULL) {
        now_us += step_us;
    }
    assert_ptr_equal(expired, operation);
    assert_null(operations_expired(operations, now_us));
    return now_us;
}

static void test_an_operation_expires_after_its_deadline_and_soon(NO_STATE)
{
    static const int64_t deadlines_us[] = {
        0,          1, WHEEL_TICK_US - 1, WHEEL_TICK_US, WHEEL_TICK_US + 1, 123456, DEADLINE_US - 1,
        DEADLINE_US};
    for (size_t i = 0; i < LENGTH(deadlines_us) * WHEEL_TICK_US / 500; i++) {
        struct operations operations;
        int64_t begin_us = start_us + (int64_t)(i / LENGTH(deadlines_us)) * 500;
        int64_t deadline_us = begin_us + deadlines_us[i % LENGTH(deadlines_us)];
        assert_true(operations_init(&operations, CAPACITY, DEADLINE_US, begin_us));
        const struct operation *operation = watched(&operations, deadline_us);
        int64_t at_us = expires_at(&operations, operation, begin_us, 100);
        assert_true(at_us > deadline_us && at_us <= deadline_us + LATE_MAX_US);
        operations_free(&operations);
    }
}

/* A deadline that has passed already when the operation comes in. */
static void test_a_deadline_in_the_past(NO_STATE)
{
    struct operations operations;
    init(&operations);
    assert_null(operations_expired(&operations, start_us + 10 * WHEEL_TICK_US));
    int64_t now_us = start_us + 10 * WHEEL_TICK_US;
    const struct operation *operation = watched(&operations, start_us - DEADLINE_US);
    assert_true(expires_at(&operations, operation, now_us, 100) <= now_us + LATE_MAX_US);
    operations_free(&operations);
}

static void test_those_of_one_moment_expire_in_order(NO_STATE)
{
    struct operations operations;
    struct operation *operation[3];
    init(&operations);
    for (size_t i = 0; i < 3; i++) {
        operation[i] = watched(&operations, start_us + 100);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_ptr_equal(operations_expired(&operations, start_us + DEADLINE_US), operation[i]);
        assert_false(list_linked(&operation[i]->by_deadline));
    }
    assert_null(operations_expired(&operations, start_us + DEADLINE_US));
    operations_free(&operations);
}

static void test_one_that_was_released_does_not_expire(NO_STATE)
{
    struct operations operations;
    init(&operations);
    struct operation *ended = watched(&operations, start_us + 100);
    operations_release(&operations, ended);
    assert_null(operations_expired(&operations, start_us + DEADLINE_US));
    operations_free(&operations);
}

/* Nothing is lost when the wheel is not turned for longer than it is round. */
static void test_a_long_pause(NO_STATE)
{
    static const int64_t pauses_us[] = {DEADLINE_US - 1, DEADLINE_US + 10 * WHEEL_TICK_US,
                                        3 * DEADLINE_US, 1000LL * DEADLINE_US};
    for (size_t i = 0; i < LENGTH(pauses_us); i++) {
        struct operations operations;
        int64_t now_us = start_us + pauses_us[i];
        unsigned expired = 0;
        init(&operations);
        for (int64_t j = 0; j < 20; j++) {
            watched(&operations, start_us + j * DEADLINE_US / 20);
        }
        for (struct operation *o; (o = operations_expired(&operations, now_us)) != NULL;) {
            assert_true(o->deadline_us < now_us);
            expired++;
        }
        assert_true(expired >= 19);
        expires_at(&operations, watched(&operations, now_us + 100), now_us, 1000);
        operations_free(&operations);
    }
}

/* The loop was held up: what comes in before the wheel is turned again has all of its time. */
static void test_a_deadline_that_is_set_after_a_pause(NO_STATE)
{
    static const int64_t pauses_us[] = {4 * WHEEL_TICK_US, DEADLINE_US / 2, DEADLINE_US,
                                        3 * DEADLINE_US};
    for (size_t i = 0; i < LENGTH(pauses_us); i++) {
        struct operations operations;
        int64_t now_us = start_us + pauses_us[i];
        init(&operations);
        const struct operation *operation = watched(&operations, now_us + DEADLINE_US);
        int64_t at_us = expires_at(&operations, operation, now_us, 1000);
        assert_true(at_us > now_us + DEADLINE_US);
        operations_free(&operations);
    }
}

/* Operations come, end and expire at random, the wheel is turned every few milliseconds. */
static void test_random_deadlines(NO_STATE)
{
    struct random random = unit_random(1);
    struct operations operations;
    struct operation *waiting[CAPACITY];
    size_t count = 0;
    int64_t now_us = start_us;
    init(&operations);
    for (int step = 0; step < 30000; step++) {
        now_us += unit_below(&random, WHEEL_TICK_US);
        for (struct operation *o; (o = operations_expired(&operations, now_us)) != NULL;) {
            size_t at = 0;
            while (waiting[at] != o) {
                assert_true(++at < count);
            }
            assert_true(o->deadline_us < now_us);
            operations_release(&operations, o);
            waiting[at] = waiting[--count];
        }
        for (size_t i = 0; i < count; i++) {
            assert_true(waiting[i]->deadline_us + LATE_MAX_US >= now_us);
        }
        if (count < CAPACITY && unit_percent(&random, 60)) {
            waiting[count++] = watched(&operations, now_us + unit_below(&random, DEADLINE_US + 1));
        } else if (count > 0 && unit_percent(&random, 30)) {
            size_t at = unit_below(&random, (unsigned)count);
            operations_release(&operations, waiting[at]);
            waiting[at] = waiting[--count];
        }
    }
    operations_free(&operations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_many_as_there_are),
        cmocka_unit_test(test_one_that_was_used_comes_back_cleared),
        cmocka_unit_test(test_an_operation_expires_after_its_deadline_and_soon),
        cmocka_unit_test(test_a_deadline_in_the_past),
        cmocka_unit_test(test_those_of_one_moment_expire_in_order),
        cmocka_unit_test(test_one_that_was_released_does_not_expire),
        cmocka_unit_test(test_a_long_pause),
        cmocka_unit_test(test_a_deadline_that_is_set_after_a_pause),
        cmocka_unit_test(test_random_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
