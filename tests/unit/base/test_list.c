/* The list against an array that does the same. */
#include "unit.h"

#include "rsvpd/base/list.h"

enum { ITEMS = 12, LISTS = 2 };

struct item {
    int before; /* so that the node is not at the start */
    struct list_node node;
};

/* Two lists and what each must hold. */
struct pair {
    struct list lists[LISTS];
    struct item *held[LISTS][ITEMS];
    size_t sizes[LISTS];
    struct item items[ITEMS];
};

static void model_insert(struct pair *pair, size_t list, size_t at, struct item *item)
{
    struct item **held = pair->held[list];
    memmove(held + at + 1, held + at, (pair->sizes[list]++ - at) * sizeof *held);
    held[at] = item;
}

static struct item *model_remove(struct pair *pair, size_t list, size_t at)
{
    struct item **held = pair->held[list], *item = held[at];
    memmove(held + at, held + at + 1, (--pair->sizes[list] - at) * sizeof *held);
    return item;
}

static void check(const struct pair *pair)
{
    for (size_t l = 0; l < LISTS; l++) {
        const struct list *list = &pair->lists[l];
        size_t size = pair->sizes[l];
        assert_int_equal(list_empty(list), size == 0);
        assert_ptr_equal(list_first(list), size == 0 ? NULL : &pair->held[l][0]->node);
        const struct list_node *forth = list->head.next, *back = list->head.prev;
        for (size_t i = 0; i < size; i++) {
            assert_ptr_equal(list_entry(forth, const struct item, node), pair->held[l][i]);
            assert_ptr_equal(back, &pair->held[l][size - 1 - i]->node);
            assert_true(list_linked(forth));
            forth = forth->next;
            back = back->prev;
        }
        assert_ptr_equal(forth, &list->head);
        assert_ptr_equal(back, &list->head);
    }
}

static void insert(struct pair *pair, struct random *random, struct item *item)
{
    size_t l = unit_below(random, LISTS), size = pair->sizes[l];
    size_t at = unit_below(random, (unsigned)size + 1);
    struct list *list = &pair->lists[l];
    if (at == 0 && unit_percent(random, 50)) {
        list_push_front(list, &item->node);
    } else if (at == size) {
        list_push_back(list, &item->node);
    } else {
        list_insert_after(&item->node, at == 0 ? &list->head : &pair->held[l][at - 1]->node);
    }
    model_insert(pair, l, at, item);
}

static void take_out(struct pair *pair, struct random *random)
{
    size_t l = unit_below(random, LISTS), size = pair->sizes[l];
    if (size == 0) {
        assert_null(list_pop_front(&pair->lists[l]));
    } else if (unit_percent(random, 50)) {
        struct list_node *node = list_pop_front(&pair->lists[l]);
        assert_ptr_equal(node, &model_remove(pair, l, 0)->node);
        assert_false(list_linked(node));
    } else {
        struct item *item = model_remove(pair, l, unit_below(random, (unsigned)size));
        list_remove(&item->node);
        assert_false(list_linked(&item->node));
    }
}

static void splice(struct pair *pair, size_t to)
{
    size_t from = 1 - to;
    list_splice_back(&pair->lists[to], &pair->lists[from]);
    while (pair->sizes[from] > 0) {
        model_insert(pair, to, pair->sizes[to], model_remove(pair, from, 0));
    }
}

static void test_against_an_array(NO_STATE)
{
    struct random random = unit_random(3);
    struct pair pair = {.sizes = {0}};
    list_init(&pair.lists[0]);
    list_init(&pair.lists[1]);
    check(&pair);
    for (int step = 0; step < 20000; step++) {
        struct item *item = &pair.items[unit_below(&random, ITEMS)];
        if (unit_percent(&random, 10)) {
            splice(&pair, unit_below(&random, LISTS));
        } else if (!list_linked(&item->node)) {
            insert(&pair, &random, item);
        } else {
            take_out(&pair, &random);
        }
        check(&pair);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_an_array)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
