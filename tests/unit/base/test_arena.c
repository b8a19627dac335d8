/* The arena: aligned, apart from each other, the first block first, all given back at once. */
#include "unit.h"

#include "rsvpd/base/arena.h"

#include <stdalign.h>

enum { FIRST_SIZE = 1024, PIECES = 200 };

static alignas(max_align_t) char first[FIRST_SIZE];

static bool in_first(const void *memory, size_t size)
{
    const char *at = memory;
    return at >= first && at + size <= first + sizeof first;
}

static void test_the_first_block_comes_first(NO_STATE)
{
    struct arena arena;
    arena_init(&arena, first, sizeof first);
    for (int i = 0; i < FIRST_SIZE / 64; i++) {
        assert_true(in_first(arena_take(&arena, 64), 64));
    }
    void *beyond = arena_take(&arena, 1);
    assert_non_null(beyond);
    assert_false(in_first(beyond, 0));
    arena_reset(&arena);
    assert_ptr_equal(arena_take(&arena, 64), first);
    arena_reset(&arena);
}

static void test_the_whole_first_block_can_be_taken_at_once(NO_STATE)
{
    struct arena arena;
    arena_init(&arena, first, sizeof first);
    assert_ptr_equal(arena_take(&arena, sizeof first), first);
    assert_false(in_first(arena_take(&arena, 16), 0));
    arena_reset(&arena);
    assert_false(in_first(arena_take(&arena, sizeof first + 1), 0));
    arena_reset(&arena);
}

static void test_no_first_block(NO_STATE)
{
    struct arena arena;
    arena_init(&arena, NULL, 0);
    char *memory = arena_take(&arena, 10);
    assert_non_null(memory);
    memset(memory, 1, 10);
    arena_reset(&arena);
}

/* Fills each piece with its own byte and looks at all of them at the end: none shares a byte with
 * another. The address sanitizer sees what lies outside of any block, and what is not freed. */
static void test_pieces_of_random_sizes(NO_STATE)
{
    static const size_t sizes_max[] = {1, 40, 5000, 20000};
    struct random random = unit_random(2);
    struct arena arena;
    arena_init(&arena, first, sizeof first);
    for (int round = 0; round < 50; round++) {
        unsigned char *pieces[PIECES];
        size_t sizes[PIECES];
        for (size_t i = 0; i < PIECES; i++) {
            size_t max = sizes_max[unit_below(&random, LENGTH(sizes_max))];
            sizes[i] = unit_below(&random, (unsigned)max + 1);
            pieces[i] = arena_take(&arena, sizes[i]);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
            memset(pieces[i], (int)i, sizes[i]);
        }
        for (size_t i = 0; i < PIECES; i++) {
            for (size_t at = 0; at < sizes[i]; at++) {
                assert_int_equal(pieces[i][at], (unsigned char)i);
            }
        }
        arena_reset(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_block_comes_first),
        cmocka_unit_test(test_the_whole_first_block_can_be_taken_at_once),
        cmocka_unit_test(test_no_first_block),
        cmocka_unit_test(test_pieces_of_random_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
