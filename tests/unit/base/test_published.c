/* A value that threads read and one thread replaces: the newest is what they see, each is destroyed
 * once and not before they have let go of it. */
#include "unit.h"

#include "rsvpd/base/published.h"

#include <pthread.h>
#include <stdlib.h>

struct value {
    uint64_t number, twice; /* both were set before it was published */
    _Atomic int destroyed;
};

static void note_destroyed(void *value)
{
    atomic_fetch_add(&((struct value *)value)->destroyed, 1);
}

static void publish(struct published *published, struct value *value)
{
    assert_true(published_replace(published, value));
}

static void test_nothing_before_the_first(NO_STATE)
{
    struct published *published = published_create(note_destroyed);
    struct published_reader reader = published_reader_over(published);
    assert_null(published_read(&reader));
    assert_int_equal(reader.version, 0);
    assert_int_equal(published_version(published), 0);
    assert_false(published_in_force(published));
    published_reader_end(&reader);
    published_destroy(&published);
    assert_null(published);
    published_destroy(&published);
}

static void test_the_newest_is_read(NO_STATE)
{
    struct value first = {.number = 1}, second = {.number = 2};
    struct published *published = published_create(note_destroyed);
    struct published_reader reader = published_reader_over(published);
    publish(published, &first);
    assert_ptr_equal(published_read(&reader), &first);
    assert_int_equal(reader.version, 1);
    assert_ptr_equal(published_read(&reader), &first);
    publish(published, &second);
    assert_int_equal(published_version(published), 2);
    assert_int_equal(reader.version, 1);
    assert_ptr_equal(published_read(&reader), &second);
    assert_int_equal(reader.version, 2);
    published_reader_end(&reader);
    published_destroy(&published);
    assert_int_equal(first.destroyed, 1);
    assert_int_equal(second.destroyed, 1);
}

static void test_a_value_is_taken_out_of_force(NO_STATE)
{
    struct value value = {0}, next = {0};
    struct published *published = published_create(note_destroyed);
    struct published_reader reader = published_reader_over(published);
    publish(published, &value);
    assert_ptr_equal(published_read(&reader), &value);
    assert_true(published_in_force(published));
    publish(published, NULL);
    assert_false(published_in_force(published));
    assert_null(published_read(&reader));
    assert_int_equal(value.destroyed, 1);
    publish(published, &next);
    assert_true(published_in_force(published));
    assert_ptr_equal(published_read(&reader), &next);
    published_reader_end(&reader);
    published_destroy(&published);
    assert_int_equal(next.destroyed, 1);
}

static void test_a_value_lives_while_a_reader_has_it(NO_STATE)
{
    struct value first = {0}, never_read = {0}, last = {0};
    struct published *published = published_create(note_destroyed);
    struct published_reader a = published_reader_over(published);
    struct published_reader b = published_reader_over(published);
    publish(published, &first);
    (void)published_read(&a);
    (void)published_read(&b);
    publish(published, &never_read);
    assert_int_equal(first.destroyed, 0);
    publish(published, &last);
    assert_int_equal(never_read.destroyed, 1);
    (void)published_read(&a);
    assert_int_equal(first.destroyed, 0);
    published_reader_end(&b);
    assert_int_equal(first.destroyed, 1);
    assert_int_equal(last.destroyed, 0);
    published_reader_end(&a);
    assert_int_equal(last.destroyed, 0);
    published_destroy(&published);
    assert_int_equal(last.destroyed, 1);
}

/* ---- several threads ---- */

enum { READERS = 4, VALUES = 2000 };

/* Not with cmocka's assertions, which are for its own thread. */
static void *read_until_the_last(void *published)
{
    struct published_reader reader = published_reader_over(published);
    uint64_t seen = 0;
    while (seen < VALUES) {
        const struct value *value = published_read(&reader);
        if (value != NULL) {
            assert(value->twice == 2 * value->number);
            assert(value->destroyed == 0);
            assert(value->number >= seen);
            assert(value->number == reader.version);
            seen = value->number;
        }
    }
    published_reader_end(&reader);
    return NULL;
}

static void test_readers_on_threads_of_their_own(NO_STATE)
{
    static struct value values[VALUES];
    struct published *published = published_create(note_destroyed);
    pthread_t threads[READERS];
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_until_the_last, published), 0);
    }
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = (struct value){.number = i + 1, .twice = 2 * (i + 1)};
        publish(published, &values[i]);
    }
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    published_destroy(&published);
    for (size_t i = 0; i < VALUES; i++) {
        assert_int_equal(values[i].destroyed, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_before_the_first),
        cmocka_unit_test(test_the_newest_is_read),
        cmocka_unit_test(test_a_value_is_taken_out_of_force),
        cmocka_unit_test(test_a_value_lives_while_a_reader_has_it),
        cmocka_unit_test(test_readers_on_threads_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
