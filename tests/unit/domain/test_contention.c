/* Contention: which writes share a batch while others hold locks, and whose go next. */
#include "unit.h"

#include "rsvpd/domain/contention.h"

enum { OPERATIONS_MAX = 32 };

static const struct relation *const rsvp = &relations[RELATION_RSVP];

/* A queue of writes, and what is known of locks. */
static struct batcher batcher;
static struct contention contention;
static struct operation operations[OPERATIONS_MAX];
static size_t operation_count;
static struct batch batch;

static int begin(NO_STATE)
{
    operation_count = 0;
    assert_true(batcher_init(&batcher, rsvp, OPERATION_ADD, BATCH_SIZE_MAX, OPERATIONS_MAX, 7));
    assert_true(contention_init(&contention, 7));
    return 0;
}

static int finish(NO_STATE)
{
    contention_free(&contention);
    batcher_free(&batcher);
    return 0;
}

/* A write on an entity, of a user of its own. */
static struct operation *push(enum write_path path, const char *entity)
{
    assert_true(operation_count < OPERATIONS_MAX);
    struct operation *operation = &operations[operation_count];
    *operation = (struct operation){.kind = OPERATION_ADD, .relation = rsvp, .path = path};
    operation->entity = unit_id(entity);
    operation->user = unit_numbered_id("u", (unsigned)operation_count++);
    batcher_push(&batcher, operation);
    return operation;
}

/* Forms the next batch and sends it; `entities` is what it must hold, in order. */
static void expect_batch(enum write_path path, const char *entities, bool short_lock_timeout)
{
    char got[OPERATIONS_MAX + 1] = "";
    contention_form(&contention, &batcher, path, &batch);
    for (size_t i = 0; i < batch.size; i++) {
        got[i] = batch.operations[i]->entity.data[0];
        assert_int_equal(batch.operations[i]->path, path);
    }
    assert_string_equal(got, entities);
    assert_int_equal(batch.short_lock_timeout, short_lock_timeout);
    if (batch.size > 0) {
        contention_note_sent(&contention, &batch);
    }
}

/* The batch has waited for a lock in vain, and returns. */
static void end_locked(void)
{
    contention_note_ended(&contention, &batch);
    contention_note_locked(&contention, &batcher, &batch);
    batcher_return(&batcher, &batch);
}

/* The batch is done; `changed` says whether its writes changed anything. */
static void end_done(bool changed)
{
    contention_note_ended(&contention, &batch);
    for (size_t i = 0; i < batch.size; i++) {
        operation_write(batch.operations[i])->changed = changed;
    }
    contention_note_done(&contention, &batch);
    for (size_t i = 0; i < batch.size; i++) {
        batcher_finish(&batcher, batch.operations[i]);
    }
}

/* Makes an entity contended, and leaves nothing in the queue. */
static void contend(const char *entity)
{
    push(PATH_PLAIN, entity);
    contention_form(&contention, &batcher, PATH_PLAIN, &batch);
    contention_note_sent(&contention, &batch);
    contention_note_ended(&contention, &batch);
    contention_note_locked(&contention, &batcher, &batch);
    for (size_t i = 0; i < batch.size; i++) {
        batcher_finish(&batcher, batch.operations[i]);
    }
}

static void test_nothing_is_contended_at_first(NO_STATE)
{
    const struct operation *first = push(PATH_PLAIN, "a");
    push(PATH_PLAIN, "b");
    push(PATH_KEYED, "a");
    assert_false(contention_has(&contention, first));
    expect_batch(PATH_PLAIN, "ab", false);
    expect_batch(PATH_KEYED, "a", false);
}

/* Each entity of a batch that waited goes by itself, one batch at a time. */
static void test_whoever_waited_goes_alone(NO_STATE)
{
    push(PATH_PLAIN, "a");
    push(PATH_PLAIN, "b");
    push(PATH_PLAIN, "a");
    expect_batch(PATH_PLAIN, "aba", false);
    end_locked();
    assert_false(batcher_has_ready(&batcher, PATH_PLAIN));
    expect_batch(PATH_CONTENDED, "aa", true);
    assert_false(contention_lets_go(&contention, PATH_CONTENDED));
    assert_true(contention_lets_go(&contention, PATH_PLAIN));
    end_done(true);
    assert_true(contention_lets_go(&contention, PATH_CONTENDED));
    expect_batch(PATH_CONTENDED, "b", true);
    end_done(true);
}

/* Writes of a contended entity that come later leave the batch that they would have gone in. */
static void test_contended_writes_are_taken_out_of_batches(NO_STATE)
{
    contend("a");
    push(PATH_PLAIN, "a");
    push(PATH_PLAIN, "b");
    push(PATH_PLAIN, "a");
    push(PATH_PLAIN, "c");
    expect_batch(PATH_PLAIN, "bc", false);
    expect_batch(PATH_CONTENDED, "aa", true);
}

static void test_a_batch_of_contended_writes_alone_stays_empty(NO_STATE)
{
    contend("a");
    push(PATH_KEYED, "a");
    expect_batch(PATH_KEYED, "", false);
    assert_false(batcher_has_ready(&batcher, PATH_KEYED));
    expect_batch(PATH_CONTENDED, "a", true);
}

/* It goes behind those that came meanwhile. */
static void test_who_waited_in_vain_goes_behind(NO_STATE)
{
    push(PATH_PLAIN, "a");
    push(PATH_PLAIN, "b");
    expect_batch(PATH_PLAIN, "ab", false);
    end_locked();
    expect_batch(PATH_CONTENDED, "a", true);
    end_locked();
    expect_batch(PATH_CONTENDED, "b", true);
    end_locked();
    expect_batch(PATH_CONTENDED, "a", true);
}

/* Who finds nothing to change waits for no lock, so that says nothing. */
static void test_only_a_change_shows_that_the_lock_is_free(NO_STATE)
{
    contend("a");
    const struct operation *next = push(PATH_CONTENDED, "a");
    expect_batch(PATH_CONTENDED, "a", true);
    end_done(false);
    assert_true(contention_has(&contention, next));
    push(PATH_CONTENDED, "a");
    expect_batch(PATH_CONTENDED, "a", true);
    end_done(true);
    assert_false(contention_has(&contention, next));
    push(PATH_PLAIN, "a");
    expect_batch(PATH_PLAIN, "a", false);
}

/* What did nothing in its batch had no lock. */
static void test_a_write_that_does_not_act_shows_nothing(NO_STATE)
{
    contend("a");
    struct operation *next = push(PATH_CONTENDED, "a");
    expect_batch(PATH_CONTENDED, "a", true);
    next->verdict = OUTCOME_KEY_REUSED;
    end_done(true);
    assert_true(contention_has(&contention, next));
}

/* Any batch may go besides, but for those that go one at a time. */
static void test_what_goes_one_at_a_time(NO_STATE)
{
    static const bool alone[PATH_COUNT] = {[PATH_ADMITTED] = true, [PATH_CONTENDED] = true};
    for (enum write_path path = 0; path < PATH_COUNT; path++) {
        push(path, "a");
        contention_form(&contention, &batcher, path, &batch);
        contention_note_sent(&contention, &batch);
        for (enum write_path other = 0; other < PATH_COUNT; other++) {
            assert_int_equal(contention_lets_go(&contention, other),
                             !(other == path && alone[path]));
        }
        end_done(true);
        assert_true(contention_lets_go(&contention, path));
    }
}

/* Writes that need admission stay on their path and keep their turn; others pass by. */
static void test_admitted_writes_keep_their_order(NO_STATE)
{
    push(PATH_ADMITTED, "a");
    push(PATH_ADMITTED, "b");
    expect_batch(PATH_ADMITTED, "ab", false);
    end_locked();
    push(PATH_ADMITTED, "a");
    push(PATH_ADMITTED, "c");
    expect_batch(PATH_ADMITTED, "aa", true); /* a contended one first: both in order */
    end_locked();
    expect_batch(PATH_ADMITTED, "c", false); /* then those that nobody holds */
    end_done(true);
    expect_batch(PATH_ADMITTED, "b", true); /* then another contended one */
    end_done(false);                        /* it had the lock: admission locks in any case */
    push(PATH_ADMITTED, "b");
    expect_batch(PATH_ADMITTED, "b", false);
}

/* With nobody else to go the same one has its turn again. */
static void test_the_only_contended_one_goes_every_time(NO_STATE)
{
    push(PATH_ADMITTED, "a");
    expect_batch(PATH_ADMITTED, "a", false);
    for (int i = 0; i < 4; i++) {
        end_locked();
        expect_batch(PATH_ADMITTED, "a", true);
    }
}

/* Each relation has entities of its own, and only writes wait for locks. */
static void test_it_is_the_write_of_an_entity_that_is_contended(NO_STATE)
{
    struct operation like = {.kind = OPERATION_ADD, .relation = &relations[RELATION_LIKE]};
    struct operation lookup = {.kind = OPERATION_LOOKUP, .relation = rsvp};
    contend("a");
    like.entity = lookup.entity = unit_id("a");
    assert_false(contention_has(&contention, &like));
    assert_false(contention_has(&contention, &lookup));
    lookup.kind = OPERATION_REMOVE;
    assert_true(contention_has(&contention, &lookup));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_is_contended_at_first),
        CASE(test_whoever_waited_goes_alone),
        CASE(test_contended_writes_are_taken_out_of_batches),
        CASE(test_a_batch_of_contended_writes_alone_stays_empty),
        CASE(test_who_waited_in_vain_goes_behind),
        CASE(test_only_a_change_shows_that_the_lock_is_free),
        CASE(test_a_write_that_does_not_act_shows_nothing),
        CASE(test_what_goes_one_at_a_time),
        CASE(test_admitted_writes_keep_their_order),
        CASE(test_the_only_contended_one_goes_every_time),
        CASE(test_it_is_the_write_of_an_entity_that_is_contended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
