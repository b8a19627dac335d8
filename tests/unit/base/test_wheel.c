/* The timer wheel against what is due. */
#include "unit.h"

#include "rsvpd/base/wheel.h"

enum { TICK_US = 10, HORIZON_US = 1000, ITEMS = 200 };

struct item {
    struct list_node node;
    int64_t due_us;
};

static struct item items[ITEMS];

/* Takes what is due, puts in again what came too early, and answers how many have come. */
static size_t take(struct wheel *wheel, int64_t now_us)
{
    size_t taken = 0;
    struct list_node *node;
    while ((node = wheel_take(wheel, now_us)) != NULL) {
        struct item *item = list_entry(node, struct item, node);
        if (item->due_us > now_us) {
            wheel_add(wheel, node, item->due_us);
        } else {
            item->due_us = -1;
            taken++;
        }
    }
    return taken;
}

static void nothing_is_late_or_early(NO_STATE)
{
    struct random random = unit_random(1);
    struct wheel wheel;
    assert_true(wheel_init(&wheel, TICK_US, HORIZON_US, 0));
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = (struct item){.due_us = unit_below(&random, HORIZON_US)};
        wheel_add(&wheel, &items[i].node, items[i].due_us);
    }
    size_t left = ITEMS;
    for (int64_t now_us = 0; now_us <= HORIZON_US + TICK_US;
         now_us += 1 + unit_below(&random, 15)) {
        left -= take(&wheel, now_us);
        for (size_t i = 0; i < ITEMS; i++) {
            assert_true(items[i].due_us == -1 || items[i].due_us >= now_us - TICK_US);
        }
    }
    left -= take(&wheel, HORIZON_US + 2 * TICK_US);
    assert_int_equal(left, 0);
    wheel_free(&wheel);
}

static void it_may_stand_still(NO_STATE)
{
    struct wheel wheel;
    assert_true(wheel_init(&wheel, TICK_US, HORIZON_US, 0));
    items[0] = (struct item){.due_us = 50};
    wheel_add(&wheel, &items[0].node, 50);
    items[1] = (struct item){.due_us = 1000 * HORIZON_US + 500}; /* far beyond its horizon */
    wheel_add(&wheel, &items[1].node, items[1].due_us);
    assert_int_equal(take(&wheel, 1000 * HORIZON_US), 1);
    assert_int_equal(items[0].due_us, -1);
    assert_int_equal(take(&wheel, 1000 * HORIZON_US + 499), 0);
    assert_int_equal(take(&wheel, 1000 * HORIZON_US + 520), 1);
    wheel_free(&wheel);
}

static void what_is_due_already_comes_with_the_next_tick(NO_STATE)
{
    struct wheel wheel;
    assert_true(wheel_init(&wheel, TICK_US, HORIZON_US, 500));
    items[0] = (struct item){.due_us = 3};
    wheel_add(&wheel, &items[0].node, 3);
    assert_int_equal(take(&wheel, 500), 0);
    assert_int_equal(take(&wheel, 510), 1);
    wheel_free(&wheel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_late_or_early),
        cmocka_unit_test(it_may_stand_still),
        cmocka_unit_test(what_is_due_already_comes_with_the_next_tick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
