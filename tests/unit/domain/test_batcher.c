/* The batcher: who goes when and with whom, by hand and in random histories against a simple model.
 */
#include "unit.h"

#include "rsvpd/domain/batcher.h"

#include <stdlib.h>

static const struct relation *const rsvp = &relations[RELATION_RSVP];

static void init_for(struct batcher *batcher, enum operation_kind kind, unsigned batch_max,
                     size_t expected)
{
    assert_true(batcher_init(batcher, rsvp, kind, batch_max, expected, 42));
}

static void init(struct batcher *batcher, enum operation_kind kind, size_t expected)
{
    init_for(batcher, kind, BATCH_SIZE_MAX, expected);
}

static void push_on(struct batcher *batcher, struct operation *operation, enum write_path path,
                    enum operation_kind kind, const char *entity, const char *user)
{
    *operation = (struct operation){.kind = kind, .relation = rsvp, .path = path};
    operation->entity = unit_id(entity);
    operation->user = unit_id(user);
    batcher_push(batcher, operation);
}

static void push(struct batcher *batcher, struct operation *operation, enum operation_kind kind,
                 const char *entity, const char *user)
{
    push_on(batcher, operation, PATH_PLAIN, kind, entity, user);
}

static bool of_the_first(const void *unused, const struct batch *batch,
                         const struct operation *operation)
{
    (void)unused;
    return batch->size == 0 || identifier_equal(&batch->operations[0]->entity, &operation->entity);
}

/* Forms a batch and checks that it holds these operations, in this order. */
static void expect_batch(struct batcher *batcher, enum write_path path, struct batch *batch,
                         struct operation *const *expected, size_t size)
{
    assert_true(batcher_has_ready(batcher, path));
    batcher_form(batcher, path, path == PATH_CONTENDED ? of_the_first : NULL, NULL, batch);
    assert_int_equal(batch->size, size);
    assert_int_equal(batch->path, path);
    assert_ptr_equal(batch->relation, batcher->relation);
    assert_int_equal(batch->kind, batcher->kind);
    for (size_t i = 0; i < size; i++) {
        assert_ptr_equal(batch->operations[i], expected[i]);
        assert_int_equal(expected[i]->state, OPERATION_SENT);
        assert_false(list_linked(&expected[i]->link));
    }
}

#define EXPECT_BATCH_ON(batcher, path, batch, ...)                                                 \
    expect_batch((batcher), (path), (batch), (struct operation *[]){__VA_ARGS__},                  \
                 LENGTH(((struct operation *[]){__VA_ARGS__})))

#define EXPECT_BATCH(batcher, batch, ...)                                                          \
    EXPECT_BATCH_ON((batcher), PATH_PLAIN, (batch), __VA_ARGS__)

static void finish_all(struct batcher *batcher, struct batch *batch)
{
    for (size_t i = 0; i < batch->size; i++) {
        batcher_finish(batcher, batch->operations[i]);
    }
}

static void test_empty(NO_STATE)
{
    struct batcher batcher;
    init(&batcher, OPERATION_ADD, 10);
    assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
    assert_int_equal(batcher.size, 0);
    batcher_free(&batcher);
}

static void test_order_of_arrival(NO_STATE)
{
    static const char *const entities[] = {"z", "a", "m", "a", "0"};
    static const char *const users[] = {"b", "z", "c", "y", "x"};
    static const enum operation_kind kinds[] = {OPERATION_ADD, OPERATION_LOOKUP, OPERATION_COUNT};
    struct operation ops[LENGTH(entities)];
    struct batch batch;
    for (size_t k = 0; k < LENGTH(kinds); k++) {
        struct batcher batcher;
        init(&batcher, kinds[k], 10);
        for (size_t i = 0; i < LENGTH(ops); i++) {
            push(&batcher, &ops[i], kinds[k], entities[i], users[i]);
            assert_int_equal(ops[i].state, OPERATION_READY);
            assert_int_equal(batcher.size, i + 1);
        }
        EXPECT_BATCH(&batcher, &batch, &ops[0], &ops[1], &ops[2], &ops[3], &ops[4]);
        assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
        assert_int_equal(batcher.size, LENGTH(ops));
        batcher_free(&batcher);
    }
}

/* A second write on a key waits until the first has ended, whichever direction they have. */
static void test_one_write_of_a_key_at_a_time(NO_STATE)
{
    struct batcher batcher;
    struct operation add, remove, again, other;
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    push(&batcher, &add, OPERATION_ADD, "e", "u");
    push(&batcher, &remove, OPERATION_REMOVE, "e", "u");
    push(&batcher, &again, OPERATION_ADD, "e", "u");
    push(&batcher, &other, OPERATION_REMOVE, "e", "v");
    assert_int_equal(remove.state, OPERATION_CHAINED);
    assert_int_equal(batcher.size, 4);

    EXPECT_BATCH(&batcher, &batch, &add, &other);
    assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
    batcher_finish(&batcher, &other);
    assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
    batcher_finish(&batcher, &add);
    assert_int_equal(remove.state, OPERATION_READY);
    assert_int_equal(again.state, OPERATION_CHAINED);

    EXPECT_BATCH(&batcher, &batch, &remove);
    assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
    batcher_finish(&batcher, &remove);
    EXPECT_BATCH(&batcher, &batch, &again);
    batcher_finish(&batcher, &again);
    assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
    assert_int_equal(batcher.size, 0);
    assert_int_equal(batcher.keys.size, 0);
    batcher_free(&batcher);
}

/* A key is entity and user, each whole. */
static void test_keys_that_differ_go_together(NO_STATE)
{
    static const char *const keys[][2] = {{"ab", "c"}, {"a", "bc"}, {"abc", "a"}, {"a", "c"},
                                          {"c", "ab"}, {"A", "bc"}, {"ab", "C"}};
    struct batcher batcher;
    struct operation ops[LENGTH(keys)];
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    for (size_t i = 0; i < LENGTH(ops); i++) {
        push(&batcher, &ops[i], OPERATION_ADD, keys[i][0], keys[i][1]);
    }
    batcher_form(&batcher, PATH_PLAIN, NULL, NULL, &batch);
    assert_int_equal(batch.size, LENGTH(ops));
    batcher_free(&batcher);
}

static void test_reads_of_a_key_go_together(NO_STATE)
{
    static const enum operation_kind kinds[] = {OPERATION_LOOKUP, OPERATION_COUNT};
    for (size_t k = 0; k < LENGTH(kinds); k++) {
        struct batcher batcher;
        struct operation first, second;
        struct batch batch;
        init(&batcher, kinds[k], 10);
        push(&batcher, &first, kinds[k], "e", "u");
        push(&batcher, &second, kinds[k], "e", "u");
        EXPECT_BATCH(&batcher, &batch, &first, &second);
        finish_all(&batcher, &batch);
        assert_int_equal(batcher.size, 0);
        batcher_free(&batcher);
    }
}

static void test_a_full_batch(NO_STATE)
{
    enum { COUNT = 2 * BATCH_SIZE_MAX + 1 };
    struct operation *ops = calloc(COUNT, sizeof *ops);
    struct batcher batcher;
    struct batch batch;
    init(&batcher, OPERATION_ADD, 16); /* fewer than there are: still correct */
    assert_non_null(ops);
    for (unsigned i = 0; i < COUNT; i++) {
        ops[i] = (struct operation){.kind = OPERATION_ADD, .relation = rsvp};
        ops[i].entity = unit_id("e");
        ops[i].user = unit_numbered_id("u", i);
        batcher_push(&batcher, &ops[i]);
    }
    for (unsigned done = 0; done < COUNT; done += (unsigned)batch.size) {
        unsigned rest = COUNT - done;
        batcher_form(&batcher, PATH_PLAIN, NULL, NULL, &batch);
        assert_int_equal(batch.size, rest < BATCH_SIZE_MAX ? rest : BATCH_SIZE_MAX);
        assert_ptr_equal(batch.operations[0], &ops[done]);
        assert_ptr_equal(batch.operations[batch.size - 1], &ops[done + batch.size - 1]);
        finish_all(&batcher, &batch);
    }
    assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
    batcher_free(&batcher);
    free(ops);
}

/* A batcher may have a smaller bound, however many mates an operation could have. */
static void test_a_bound_of_its_own(NO_STATE)
{
    enum { COUNT = 10, BOUND = 4 };
    struct batcher batcher;
    struct operation ops[COUNT];
    struct batch batch;
    init_for(&batcher, OPERATION_LOOKUP, BOUND, 10);
    for (unsigned i = 0; i < COUNT; i++) {
        push(&batcher, &ops[i], OPERATION_LOOKUP, "e", "u");
        assert_int_equal(ops[i].batch_limit, BOUND);
        ops[i].batch_limit = BATCH_SIZE_MAX;
    }
    EXPECT_BATCH(&batcher, &batch, &ops[0], &ops[1], &ops[2], &ops[3]);
    EXPECT_BATCH(&batcher, &batch, &ops[4], &ops[5], &ops[6], &ops[7]);
    EXPECT_BATCH(&batcher, &batch, &ops[8], &ops[9]);
    batcher_free(&batcher);
}

/* No operation goes in a larger batch than it may. */
static void test_how_many_go_together(NO_STATE)
{
    enum { ROW = 6, ANY = BATCH_SIZE_MAX };
    static const char *const users[ROW] = {"a", "b", "c", "d", "e", "f"};
    static const struct {
        unsigned batch_limit[ROW]; /* up to the first 0 */
        size_t sizes[ROW];         /* of the batches; up to the first 0 */
    } cases[] = {
        {{ANY, ANY, ANY}, {3}},
        {{1, ANY, ANY}, {1, 2}},
        {{ANY, 1, ANY}, {1, 1, 1}},
        {{ANY, ANY, 1}, {2, 1}},
        {{2, 2, 2, 2, 2}, {2, 2, 1}},
        {{3, 2, 2, 1, ANY}, {2, 1, 1, 1}},
        {{ANY, 2, ANY}, {2, 1}},
        {{ANY, ANY, 2, ANY}, {2, 2}},
        {{1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1}},
        {{3, 3, 3, ANY, ANY, ANY}, {3, 3}},
        {{ANY, ANY, ANY, 3, 3, 3}, {3, 3}},
        {{ANY, ANY, ANY, ANY, 3, 3}, {4, 2}},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct batcher batcher;
        struct operation ops[ROW];
        struct batch batch;
        init(&batcher, OPERATION_ADD, 10);
        for (unsigned j = 0; j < ROW && cases[i].batch_limit[j] != 0; j++) {
            push(&batcher, &ops[j], OPERATION_ADD, "e", users[j]);
            ops[j].batch_limit = cases[i].batch_limit[j];
        }
        for (size_t j = 0; batcher_has_ready(&batcher, PATH_PLAIN); j++) {
            batcher_form(&batcher, PATH_PLAIN, NULL, NULL, &batch);
            assert_int_equal(batch.size, cases[i].sizes[j]);
            finish_all(&batcher, &batch);
        }
        assert_int_equal(batcher.size, 0);
        batcher_free(&batcher);
    }
}

static void test_an_operation_that_is_pushed_again_may_have_any_mates(NO_STATE)
{
    struct batcher batcher;
    struct operation op;
    init(&batcher, OPERATION_LOOKUP, 10);
    push(&batcher, &op, OPERATION_LOOKUP, "e", "u");
    op.batch_limit = 1;
    batcher_withdraw(&batcher, &op);
    batcher_push(&batcher, &op);
    assert_int_equal(op.batch_limit, BATCH_SIZE_MAX);
    batcher_free(&batcher);
}

static void test_a_batch_that_returns_goes_first(NO_STATE)
{
    struct batcher batcher;
    struct operation a, b, c, later, behind_a;
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    push(&batcher, &a, OPERATION_ADD, "e", "a");
    push(&batcher, &b, OPERATION_ADD, "e", "b");
    push(&batcher, &c, OPERATION_ADD, "e", "c");
    EXPECT_BATCH(&batcher, &batch, &a, &b, &c);
    push(&batcher, &later, OPERATION_ADD, "e", "d");
    push(&batcher, &behind_a, OPERATION_REMOVE, "e", "a");
    batcher_return(&batcher, &batch);
    assert_int_equal(batch.size, 0);
    assert_int_equal(a.state, OPERATION_READY);
    assert_int_equal(behind_a.state, OPERATION_CHAINED);
    assert_int_equal(batcher.size, 5);
    EXPECT_BATCH(&batcher, &batch, &a, &b, &c, &later);
    finish_all(&batcher, &batch);
    EXPECT_BATCH(&batcher, &batch, &behind_a);
    batcher_free(&batcher);
}

static void test_withdrawing_one_that_is_ready(NO_STATE)
{
    struct batcher batcher;
    struct operation first, second, third, other;
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    push(&batcher, &first, OPERATION_ADD, "e", "u");
    push(&batcher, &second, OPERATION_REMOVE, "e", "u");
    push(&batcher, &third, OPERATION_ADD, "e", "u");
    push(&batcher, &other, OPERATION_ADD, "e", "v");
    batcher_withdraw(&batcher, &first);
    assert_false(list_linked(&first.link));
    assert_int_equal(batcher.size, 3);
    assert_int_equal(second.state, OPERATION_READY);
    assert_int_equal(third.state, OPERATION_CHAINED);
    EXPECT_BATCH(&batcher, &batch, &other, &second); /* the heir queues up behind */
    finish_all(&batcher, &batch);
    EXPECT_BATCH(&batcher, &batch, &third);
    finish_all(&batcher, &batch);
    assert_int_equal(batcher.keys.size, 0);
    batcher_free(&batcher);
}

static void test_withdrawing_the_last_of_a_key_frees_it(NO_STATE)
{
    struct batcher batcher;
    struct operation first, second;
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    push(&batcher, &first, OPERATION_ADD, "e", "u");
    batcher_withdraw(&batcher, &first);
    assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
    assert_int_equal(batcher.size, 0);
    push(&batcher, &second, OPERATION_ADD, "e", "u");
    EXPECT_BATCH(&batcher, &batch, &second);
    batcher_free(&batcher);
}

/* From the middle and from the end of a chain whose first is with Postgres. */
static void test_withdrawing_those_that_are_chained(NO_STATE)
{
    for (size_t out = 1; out < 4; out++) {
        struct batcher batcher;
        struct operation ops[4];
        struct batch batch;
        init(&batcher, OPERATION_ADD, 10);
        for (size_t i = 0; i < LENGTH(ops); i++) {
            push(&batcher, &ops[i], OPERATION_ADD, "e", "u");
        }
        EXPECT_BATCH(&batcher, &batch, &ops[0]);
        batcher_withdraw(&batcher, &ops[out]);
        assert_false(list_linked(&ops[out].link));
        assert_int_equal(batcher.size, 3);
        assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
        for (size_t i = 1; i < LENGTH(ops); i++) {
            if (i != out) {
                finish_all(&batcher, &batch);
                EXPECT_BATCH(&batcher, &batch, &ops[i]);
            }
        }
        finish_all(&batcher, &batch);
        assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
        assert_int_equal(batcher.keys.size, 0);
        batcher_free(&batcher);
    }
}

/* ---- paths ---- */

static void expect_ready(const struct batcher *batcher, bool plain, bool keyed, bool admitted)
{
    assert_int_equal(batcher_has_ready(batcher, PATH_PLAIN), plain);
    assert_int_equal(batcher_has_ready(batcher, PATH_KEYED), keyed);
    assert_int_equal(batcher_has_ready(batcher, PATH_ADMITTED), admitted);
}

static void expect_withdrawn(struct list *withdrawn, struct operation *const *expected, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        struct list_node *node = list_pop_front(withdrawn);
        assert_non_null(node);
        assert_ptr_equal(list_entry(node, struct operation, link), expected[i]);
    }
    assert_true(list_empty(withdrawn));
}

#define EXPECT_WITHDRAWN(withdrawn, ...)                                                           \
    expect_withdrawn((withdrawn), (struct operation *[]){__VA_ARGS__},                             \
                     LENGTH(((struct operation *[]){__VA_ARGS__})))

/* What is under way stays, and so does what may have been done; those behind them go. */
static void test_withdrawing_all_that_were_never_attempted(NO_STATE)
{
    struct batcher batcher;
    struct operation sent, attempted, fresh, behind_fresh, last_fresh, admitted, behind[2];
    struct batch batch;
    struct list withdrawn;
    init(&batcher, OPERATION_ADD, 10);
    list_init(&withdrawn);
    push(&batcher, &sent, OPERATION_ADD, "e", "a");
    push(&batcher, &attempted, OPERATION_ADD, "e", "b");
    EXPECT_BATCH(&batcher, &batch, &sent, &attempted);
    batch.size = 0;
    batch.operations[batch.size++] = &attempted;
    attempted.attempted = true;
    batcher_return(&batcher, &batch);
    push(&batcher, &fresh, OPERATION_ADD, "e", "c");
    push(&batcher, &behind_fresh, OPERATION_REMOVE, "e", "c");
    push(&batcher, &last_fresh, OPERATION_ADD, "e", "c");
    push_on(&batcher, &admitted, PATH_ADMITTED, OPERATION_ADD, "f", "c");

    batcher_withdraw_unattempted(&batcher, &withdrawn);
    assert_int_equal(batcher.size, 2);
    EXPECT_WITHDRAWN(&withdrawn, &fresh, &admitted, &behind_fresh, &last_fresh);
    assert_int_equal(batcher.keys.size, 2);

    push(&batcher, &behind[0], OPERATION_REMOVE, "e", "a");
    batcher_withdraw_unattempted(&batcher, &withdrawn);
    EXPECT_WITHDRAWN(&withdrawn, &behind[0]);

    push(&batcher, &behind[1], OPERATION_REMOVE, "e", "b");
    assert_int_equal(behind[1].state, OPERATION_CHAINED);
    EXPECT_BATCH(&batcher, &batch, &attempted);
    batcher_finish(&batcher, &attempted);
    batcher_finish(&batcher, &sent);
    EXPECT_BATCH(&batcher, &batch, &behind[1]);
    batcher_finish(&batcher, &behind[1]);
    assert_int_equal(batcher.size + batcher.keys.size, 0);
    batcher_free(&batcher);
}

/* Reads have no keys, and are withdrawn in order. */
static void test_withdrawing_all_reads(NO_STATE)
{
    struct batcher batcher;
    struct operation ops[3];
    struct list withdrawn;
    init(&batcher, OPERATION_LOOKUP, 10);
    list_init(&withdrawn);
    for (size_t i = 0; i < LENGTH(ops); i++) {
        push(&batcher, &ops[i], OPERATION_LOOKUP, "e", "u");
    }
    batcher_withdraw_unattempted(&batcher, &withdrawn);
    EXPECT_WITHDRAWN(&withdrawn, &ops[0], &ops[1], &ops[2]);
    assert_int_equal(batcher.size, 0);
    assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
    batcher_withdraw_unattempted(&batcher, &withdrawn);
    assert_true(list_empty(&withdrawn));
    batcher_free(&batcher);
}

/* Each path has a row of its own, in the order of arrival. */
static void test_order_of_arrival_on_each_path(NO_STATE)
{
    struct batcher batcher;
    struct operation ops[7];
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    static const enum write_path paths[] = {PATH_ADMITTED, PATH_PLAIN, PATH_KEYED,   PATH_PLAIN,
                                            PATH_ADMITTED, PATH_KEYED, PATH_ADMITTED};
    static const char *const users[] = {"g", "f", "e", "d", "c", "b", "a"};
    for (size_t i = 0; i < LENGTH(ops); i++) {
        push_on(&batcher, &ops[i], paths[i], OPERATION_ADD, "e", users[i]);
        assert_true(i == 0 || ops[i].arrival > ops[i - 1].arrival);
    }
    assert_int_equal(batcher.size, 7);
    EXPECT_BATCH_ON(&batcher, PATH_KEYED, &batch, &ops[2], &ops[5]);
    expect_ready(&batcher, true, false, true);
    EXPECT_BATCH_ON(&batcher, PATH_ADMITTED, &batch, &ops[0], &ops[4], &ops[6]);
    expect_ready(&batcher, true, false, false);
    EXPECT_BATCH_ON(&batcher, PATH_PLAIN, &batch, &ops[1], &ops[3]);
    expect_ready(&batcher, false, false, false);
    assert_int_equal(batcher.size, 7);
    batcher_free(&batcher);
}

/* Later arrivals are told by a larger number, chained ones too; going again does not change it. */
static void test_arrivals_are_numbered(NO_STATE)
{
    struct batcher batcher;
    struct operation first, behind, other;
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    push_on(&batcher, &first, PATH_ADMITTED, OPERATION_ADD, "e", "u");
    push_on(&batcher, &behind, PATH_ADMITTED, OPERATION_REMOVE, "e", "u");
    push_on(&batcher, &other, PATH_ADMITTED, OPERATION_ADD, "e", "v");
    assert_true(first.arrival < behind.arrival && behind.arrival < other.arrival);
    uint64_t arrival = first.arrival;
    EXPECT_BATCH_ON(&batcher, PATH_ADMITTED, &batch, &first, &other);
    batcher_return(&batcher, &batch);
    EXPECT_BATCH_ON(&batcher, PATH_ADMITTED, &batch, &first, &other);
    assert_true(first.arrival == arrival);
    batcher_put_behind(&batcher, &first);
    batcher_return(&batcher, &batch);
    EXPECT_BATCH_ON(&batcher, PATH_ADMITTED, &batch, &other, &first);
    assert_true(first.arrival == arrival);
    batcher_free(&batcher);
}

/* A user's writes on an entity go one by one, whatever their paths; the next one goes its own. */
static void test_chains_cross_paths(NO_STATE)
{
    struct batcher batcher;
    struct operation plain, keyed, admitted, last;
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    push_on(&batcher, &plain, PATH_PLAIN, OPERATION_ADD, "e", "u");
    push_on(&batcher, &keyed, PATH_KEYED, OPERATION_REMOVE, "e", "u");
    push_on(&batcher, &admitted, PATH_ADMITTED, OPERATION_ADD, "e", "u");
    push_on(&batcher, &last, PATH_PLAIN, OPERATION_REMOVE, "e", "u");
    assert_int_equal(keyed.state, OPERATION_CHAINED);
    assert_int_equal(admitted.state, OPERATION_CHAINED);
    expect_ready(&batcher, true, false, false);
    EXPECT_BATCH_ON(&batcher, PATH_PLAIN, &batch, &plain);
    expect_ready(&batcher, false, false, false);
    finish_all(&batcher, &batch);
    expect_ready(&batcher, false, true, false);
    EXPECT_BATCH_ON(&batcher, PATH_KEYED, &batch, &keyed);
    finish_all(&batcher, &batch);
    expect_ready(&batcher, false, false, true);
    EXPECT_BATCH_ON(&batcher, PATH_ADMITTED, &batch, &admitted);
    finish_all(&batcher, &batch);
    EXPECT_BATCH_ON(&batcher, PATH_PLAIN, &batch, &last);
    finish_all(&batcher, &batch);
    expect_ready(&batcher, false, false, false);
    assert_int_equal(batcher.size, 0);
    assert_int_equal(batcher.keys.size, 0);
    batcher_free(&batcher);
}

/* Sent again, each goes the way that it is to go by now: in front of those who wait there, in the
 * order in which they stood in the batch. */
static void test_a_batch_returns_to_the_paths_of_its_operations(NO_STATE)
{
    struct batcher batcher;
    struct operation a, b, c, d, waiting, waiting_managed, behind;
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    push(&batcher, &a, OPERATION_ADD, "e", "a");
    push(&batcher, &b, OPERATION_ADD, "f", "b");
    push(&batcher, &c, OPERATION_ADD, "e", "c");
    push(&batcher, &d, OPERATION_ADD, "f", "d");
    EXPECT_BATCH(&batcher, &batch, &a, &b, &c, &d);
    push(&batcher, &waiting, OPERATION_ADD, "g", "w");
    push_on(&batcher, &waiting_managed, PATH_ADMITTED, OPERATION_ADD, "e", "w");
    push(&batcher, &behind, OPERATION_REMOVE, "e", "a");
    a.path = PATH_ADMITTED;
    c.path = PATH_ADMITTED;
    batcher_return(&batcher, &batch);
    assert_int_equal(batch.size, 0);
    assert_int_equal(batcher.size, 7);
    assert_int_equal(behind.state, OPERATION_CHAINED);
    EXPECT_BATCH_ON(&batcher, PATH_ADMITTED, &batch, &a, &c, &waiting_managed);
    finish_all(&batcher, &batch);
    EXPECT_BATCH_ON(&batcher, PATH_PLAIN, &batch, &b, &d, &waiting, &behind);
    finish_all(&batcher, &batch);
    assert_int_equal(batcher.size, 0);
    batcher_free(&batcher);
}

/* How many may go together is each path's own affair. */
static void test_how_many_go_together_on_a_path(NO_STATE)
{
    struct batcher batcher;
    struct operation ops[6];
    struct batch batch;
    static const char *const users[] = {"a", "b", "c", "d", "e", "f"};
    init_for(&batcher, OPERATION_ADD, 3, 10);
    for (size_t i = 0; i < LENGTH(ops); i++) {
        push_on(&batcher, &ops[i], i < 2 ? PATH_PLAIN : PATH_ADMITTED, OPERATION_ADD, "e",
                users[i]);
        assert_int_equal(ops[i].batch_limit, 3);
    }
    ops[0].batch_limit = 1;
    ops[4].batch_limit = 2;
    EXPECT_BATCH_ON(&batcher, PATH_ADMITTED, &batch, &ops[2], &ops[3]);
    EXPECT_BATCH_ON(&batcher, PATH_PLAIN, &batch, &ops[0]);
    EXPECT_BATCH_ON(&batcher, PATH_ADMITTED, &batch, &ops[4], &ops[5]);
    EXPECT_BATCH_ON(&batcher, PATH_PLAIN, &batch, &ops[1]);
    batcher_free(&batcher);
}

/* Whoever waits behind one that is withdrawn gets ready on a path of its own. */
static void test_withdrawing_on_a_path(NO_STATE)
{
    struct batcher batcher;
    struct operation first, chained, heir, other;
    struct batch batch;
    init(&batcher, OPERATION_ADD, 10);
    push_on(&batcher, &first, PATH_KEYED, OPERATION_ADD, "e", "u");
    push_on(&batcher, &chained, PATH_PLAIN, OPERATION_REMOVE, "e", "u");
    push_on(&batcher, &heir, PATH_ADMITTED, OPERATION_ADD, "e", "u");
    push_on(&batcher, &other, PATH_KEYED, OPERATION_ADD, "e", "v");
    batcher_withdraw(&batcher, &chained);
    expect_ready(&batcher, false, true, false);
    batcher_withdraw(&batcher, &first);
    expect_ready(&batcher, false, true, true);
    assert_int_equal(batcher.size, 2);
    EXPECT_BATCH_ON(&batcher, PATH_ADMITTED, &batch, &heir);
    finish_all(&batcher, &batch);
    batcher_withdraw(&batcher, &other);
    expect_ready(&batcher, false, false, false);
    assert_int_equal(batcher.size, 0);
    assert_int_equal(batcher.keys.size, 0);
    batcher_free(&batcher);
}

/* ---- random histories ---- */

enum { KEYS = 6, OPS = 40, FLYING_MAX = 3, STEPS = 600, HISTORIES = 200 };

/* What the batcher must be, told as plainly as can be: for each path a row of those that are ready,
 * and for each key a row of those that are under way, of which the first holds the key. */
struct row {
    size_t size;
    struct operation *at[OPS];
};

struct history {
    struct batcher batcher;
    bool keyed;
    struct row ready[PATH_COUNT];
    struct row of_key[KEYS];
    struct operation ops[OPS];
    unsigned key_of[OPS];
    struct batch flying[FLYING_MAX]; /* size 0: not in use */
    struct random random;
};

static void row_insert(struct row *row, size_t at, struct operation *operation)
{
    memmove(row->at + at + 1, row->at + at, (row->size++ - at) * sizeof row->at[0]);
    row->at[at] = operation;
}

static void row_remove(struct row *row, const struct operation *operation)
{
    size_t at = 0;
    while (row->at[at] != operation) {
        assert_true(++at < row->size);
    }
    memmove(row->at + at, row->at + at + 1, (--row->size - at) * sizeof row->at[0]);
}

static struct row *row_of(struct history *history, const struct operation *operation)
{
    return &history->of_key[history->key_of[operation - history->ops]];
}

/* Those that wait are where the model says, with the state that it says. */
static void check_history(const struct history *history)
{
    size_t size = 0;
    for (size_t key = 0; key < KEYS; key++) {
        const struct row *row = &history->of_key[key];
        size += row->size;
        for (size_t i = 1; i < row->size && history->keyed; i++) {
            assert_int_equal(row->at[i]->state, OPERATION_CHAINED);
        }
    }
    for (size_t path = 0; path < PATH_COUNT; path++) {
        const struct row *ready = &history->ready[path];
        assert_int_equal(batcher_has_ready(&history->batcher, (enum write_path)path),
                         ready->size > 0);
        for (size_t i = 0; i < ready->size; i++) {
            assert_int_equal(ready->at[i]->state, OPERATION_READY);
            assert_int_equal(ready->at[i]->path, path);
        }
    }
    assert_int_equal(history->batcher.size, size);
}

static enum write_path random_path(struct history *history)
{
    return history->keyed ? (enum write_path)unit_below(&history->random, PATH_COUNT) : PATH_PLAIN;
}

static void get_behind(struct history *history, struct operation *operation)
{
    struct row *ready = &history->ready[operation->path];
    row_insert(ready, ready->size, operation);
}

/* Before the first whose turn is later. */
static void get_ready(struct history *history, struct operation *operation)
{
    struct row *ready = &history->ready[operation->path];
    size_t at = 0;
    while (at < ready->size && ready->at[at]->sequence < operation->sequence) {
        at++;
    }
    row_insert(ready, at, operation);
}

static void random_push(struct history *history, size_t at)
{
    struct operation *operation = &history->ops[at];
    unsigned key = unit_below(&history->random, KEYS);
    enum operation_kind write =
        unit_percent(&history->random, 50) ? OPERATION_ADD : OPERATION_REMOVE;
    *operation = (struct operation){.relation = rsvp,
                                    .kind = history->keyed ? write : OPERATION_LOOKUP,
                                    .path = random_path(history),
                                    .entity = unit_numbered_id("e", key / 2),
                                    .user = unit_numbered_id("u", key % 2)};
    history->key_of[at] = key;
    batcher_push(&history->batcher, operation);
    operation->batch_limit =
        unit_percent(&history->random, 70) ? BATCH_SIZE_MAX : 1 + unit_below(&history->random, 4);
    struct row *row = &history->of_key[key];
    row_insert(row, row->size, operation);
    if (row->size == 1 || !history->keyed) {
        get_behind(history, operation);
    }
}

/* The operation has ended: whoever is next on its key gets ready. */
static void model_end(struct history *history, const struct operation *operation)
{
    struct row *row = row_of(history, operation);
    bool held = row->at[0] == operation;
    row_remove(row, operation);
    if (history->keyed && held && row->size > 0) {
        if (row->at[0]->path == PATH_ADMITTED) {
            get_ready(history, row->at[0]);
        } else {
            get_behind(history, row->at[0]);
        }
    }
}

static void random_withdraw(struct history *history, struct operation *operation)
{
    if (operation->state == OPERATION_READY) {
        row_remove(&history->ready[operation->path], operation);
    }
    batcher_withdraw(&history->batcher, operation);
    model_end(history, operation);
    assert_false(list_linked(&operation->link));
    operation->state = OPERATION_FREE;
}

/* How many from the front of the row may go together: the most such that none has too many. */
static size_t model_batch_size(const struct row *ready)
{
    for (size_t size = ready->size; size > 1; size--) {
        unsigned least = BATCH_SIZE_MAX;
        for (size_t i = 0; i < size; i++) {
            least = ready->at[i]->batch_limit < least ? ready->at[i]->batch_limit : least;
        }
        if (size <= least) {
            return size;
        }
    }
    return 1;
}

/* On any path that has some that are ready; none, and nothing happens. What may be locked shares a
 * batch with its like alone. */
static void random_form(struct history *history, struct batch *batch)
{
    enum write_path path = (enum write_path)unit_below(&history->random, PATH_COUNT);
    struct row *ready = &history->ready[path];
    if (ready->size == 0) {
        return;
    }
    struct row expected = {.size = 0};
    for (size_t i = 0; i < ready->size; i++) {
        if (path != PATH_CONTENDED ||
            identifier_equal(&ready->at[i]->entity, &ready->at[0]->entity)) {
            row_insert(&expected, expected.size, ready->at[i]);
        }
    }
    size_t size = model_batch_size(&expected);
    expect_batch(&history->batcher, path, batch, expected.at, size);
    for (size_t i = 0; i < size; i++) {
        row_remove(ready, expected.at[i]);
        for (size_t j = 0; j < OPS && history->keyed; j++) { /* nobody on its way has this key */
            assert_true(&history->ops[j] == expected.at[i] ||
                        history->ops[j].state != OPERATION_SENT ||
                        row_of(history, &history->ops[j]) != row_of(history, expected.at[i]));
        }
    }
}

/* Some of the batch end, in any order; what is left of it returns, perhaps to another path. */
static void random_land(struct history *history, struct batch *batch)
{
    unsigned ending = unit_percent(&history->random, 60) ? 100 : unit_below(&history->random, 101);
    struct batch rest = {.size = 0};
    for (size_t i = 0; i < batch->size; i++) {
        struct operation *operation = batch->operations[i];
        if (unit_percent(&history->random, ending)) {
            batcher_finish(&history->batcher, operation);
            model_end(history, operation);
            operation->state = OPERATION_FREE;
        } else {
            operation->batch_limit = 1 + unit_below(&history->random, 4);
            operation->path =
                unit_percent(&history->random, 50) ? operation->path : random_path(history);
            rest.operations[rest.size++] = operation;
        }
    }
    batch->size = 0;
    for (size_t i = 0; i < rest.size; i++) {
        get_ready(history, rest.operations[i]);
    }
    batcher_return(&history->batcher, &rest);
}

static void random_step(struct history *history)
{
    size_t at = unit_below(&history->random, OPS);
    struct operation *operation = &history->ops[at];
    struct batch *batch = &history->flying[unit_below(&history->random, FLYING_MAX)];
    if (unit_percent(&history->random, 25)) {
        if (batch->size > 0) {
            random_land(history, batch);
        } else {
            random_form(history, batch);
        }
    } else if (operation->state == OPERATION_FREE) {
        random_push(history, at);
    } else if (operation->state != OPERATION_SENT && unit_percent(&history->random, 20)) {
        random_withdraw(history, operation);
    }
    check_history(history);
}

/* Lands and sends until nothing is left. */
static void drain(struct history *history)
{
    while (history->batcher.size > 0) {
        for (size_t i = 0; i < FLYING_MAX; i++) {
            if (history->flying[i].size > 0) {
                random_land(history, &history->flying[i]);
            } else {
                random_form(history, &history->flying[i]);
            }
            check_history(history);
        }
    }
    assert_int_equal(history->batcher.keys.size, 0);
}

static void run_histories(enum operation_kind kind, uint64_t secret, uint64_t stream)
{
    struct history *history = calloc(1, sizeof *history);
    assert_non_null(history);
    for (uint64_t i = 0; i < HISTORIES; i++) {
        memset(history, 0, sizeof *history);
        assert_true(batcher_init(&history->batcher, rsvp, kind, BATCH_SIZE_MAX, 1, secret));
        history->keyed = kind == OPERATION_ADD;
        history->random = unit_random(stream + i);
        for (int step = 0; step < STEPS; step++) {
            random_step(history);
        }
        drain(history);
        batcher_free(&history->batcher);
    }
    free(history);
}

static void test_random_histories_of_writes(NO_STATE)
{
    run_histories(OPERATION_ADD, 42, 1000);
}

/* Here the keys of a user on all entities have one hash. */
static void test_random_histories_of_writes_whose_hashes_collide(NO_STATE)
{
    run_histories(OPERATION_ADD, unit_colliding_secret(), 3000);
}

static void test_random_histories_of_lookups(NO_STATE)
{
    run_histories(OPERATION_LOOKUP, 42, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_order_of_arrival),
        cmocka_unit_test(test_one_write_of_a_key_at_a_time),
        cmocka_unit_test(test_keys_that_differ_go_together),
        cmocka_unit_test(test_reads_of_a_key_go_together),
        cmocka_unit_test(test_a_full_batch),
        cmocka_unit_test(test_a_bound_of_its_own),
        cmocka_unit_test(test_how_many_go_together),
        cmocka_unit_test(test_an_operation_that_is_pushed_again_may_have_any_mates),
        cmocka_unit_test(test_a_batch_that_returns_goes_first),
        cmocka_unit_test(test_withdrawing_one_that_is_ready),
        cmocka_unit_test(test_withdrawing_the_last_of_a_key_frees_it),
        cmocka_unit_test(test_withdrawing_those_that_are_chained),
        cmocka_unit_test(test_withdrawing_all_that_were_never_attempted),
        cmocka_unit_test(test_withdrawing_all_reads),
        cmocka_unit_test(test_order_of_arrival_on_each_path),
        cmocka_unit_test(test_arrivals_are_numbered),
        cmocka_unit_test(test_chains_cross_paths),
        cmocka_unit_test(test_a_batch_returns_to_the_paths_of_its_operations),
        cmocka_unit_test(test_how_many_go_together_on_a_path),
        cmocka_unit_test(test_withdrawing_on_a_path),
        cmocka_unit_test(test_random_histories_of_writes),
        cmocka_unit_test(test_random_histories_of_writes_whose_hashes_collide),
        cmocka_unit_test(test_random_histories_of_lookups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
