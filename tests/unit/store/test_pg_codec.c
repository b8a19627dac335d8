/* PostgreSQL's binary formats, byte for byte. */
#include "unit.h"

#include "rsvpd/store/pg_codec.h"

#include <stdlib.h>

/* What array_recv reads: dimensions, a flag for NULLs, the elements' type (text is 25), then for
 * each dimension its length and lower bound, then each element's length and bytes. An array without
 * elements has no dimension. */
static void test_arrays(NO_STATE)
{
#define EMPTY                                                                                      \
    "\0\0\0\0"                                                                                     \
    "\0\0\0\0"                                                                                     \
    "\0\0\0\x19"
#define HEADER(count)                                                                              \
    "\0\0\0\1"                                                                                     \
    "\0\0\0\0"                                                                                     \
    "\0\0\0\x19"                                                                                   \
    "\0\0\0" count "\0\0\0\1"
    static const struct {
        const char *elements[4]; /* up to the first NULL */
        const char *bytes;
        size_t size;
    } cases[] = {
#define CASE(bytes, ...) {{__VA_ARGS__}, bytes, sizeof(bytes) - 1}
        CASE(EMPTY, NULL),
        CASE(HEADER("\1") "\0\0\0\1"
                          "a",
             "a"),
        CASE(HEADER("\2") "\0\0\0\2"
                          "u1"
                          "\0\0\0\4"
                          "a:@~",
             "u1", "a:@~"),
        CASE(HEADER("\3") "\0\0\0\1"
                          "z"
                          "\0\0\0\1"
                          "z"
                          "\0\0\0\2"
                          "10",
             "z", "z", "10"),
#undef CASE
    };
#undef HEADER
#undef EMPTY
    static struct pg_array array;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        pg_array_clear_text(&array); /* whatever it held before */
        for (const char *const *element = cases[i].elements; *element != NULL; element++) {
            struct identifier id = unit_id(*element);
            pg_array_add_text(&array, identifier_slice(&id));
        }
        unit_expect_bytes("array", slice_make(array.data, array.size_bytes),
                          slice_make(cases[i].bytes, cases[i].size));
    }
}

static uint32_t uint32_at(const struct pg_array *array, size_t at)
{
    const unsigned char *b = (const unsigned char *)array->data + at;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* A full batch of the longest texts fits. */
static void test_the_largest_array(NO_STATE)
{
    struct pg_array *array = malloc(sizeof *array);
    char text[PG_TEXT_SIZE_MAX_BYTES];
    assert_non_null(array);
    pg_array_clear_text(array);
    for (int i = 0; i < BATCH_SIZE_MAX; i++) {
        memset(text, 'a' + i % 26, sizeof text);
        pg_array_add_text(array, slice_make(text, sizeof text));
    }
    assert_int_equal(array->size_bytes, 20 + 512 * 259);
    assert_int_equal(uint32_at(array, 12), 512);
    for (size_t i = 0; i < BATCH_SIZE_MAX; i++) {
        size_t at = 20 + i * 259;
        assert_int_equal(uint32_at(array, at), 255);
        assert_int_equal(array->data[at + 4], 'a' + i % 26);
        assert_int_equal(array->data[at + 258], 'a' + i % 26);
    }
    free(array);
}

/* The type is that of bigint (20), each element has 8 bytes; whatever the array held before, of
 * whatever type, is gone. */
static void test_arrays_of_numbers(NO_STATE)
{
    static const char empty[] = "\0\0\0\0"
                                "\0\0\0\0"
                                "\0\0\0\x14";
    static const char three[] = "\0\0\0\1"
                                "\0\0\0\0"
                                "\0\0\0\x14"
                                "\0\0\0\3\0\0\0\1"
                                "\0\0\0\x8\0\0\0\0\0\0\0\7"
                                "\0\0\0\x8\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                                "\0\0\0\x8\1\2\3\4\5\6\7\x8";
    static const char text[] = "\0\0\0\1"
                               "\0\0\0\0"
                               "\0\0\0\x19"
                               "\0\0\0\1\0\0\0\1"
                               "\0\0\0\2u1";
    static struct pg_array array;
    for (int round = 0; round < 2; round++) {
        pg_array_clear_int64(&array);
        assert_int_equal(array.elements, 0);
        unit_expect_bytes("empty", slice_make(array.data, array.size_bytes),
                          slice_make(empty, sizeof empty - 1));
        pg_array_add_int64(&array, 7);
        pg_array_add_int64(&array, -1);
        pg_array_add_int64(&array, 0x0102030405060708);
        assert_int_equal(array.elements, 3);
        unit_expect_bytes("three", slice_make(array.data, array.size_bytes),
                          slice_make(three, sizeof three - 1));
        pg_array_clear_text(&array);
        pg_array_add_text(&array, slice_of("u1"));
        assert_int_equal(array.elements, 1);
        unit_expect_bytes("text", slice_make(array.data, array.size_bytes),
                          slice_make(text, sizeof text - 1));
    }
}

/* A text without bytes is an element all the same. */
static void test_an_empty_element(NO_STATE)
{
    static const char bytes[] = "\0\0\0\1"
                                "\0\0\0\0"
                                "\0\0\0\x19"
                                "\0\0\0\2\0\0\0\1"
                                "\0\0\0\0"
                                "\0\0\0\1a";
    static struct pg_array array;
    pg_array_clear_text(&array);
    pg_array_add_text(&array, slice_of(""));
    pg_array_add_text(&array, slice_of("a"));
    unit_expect_bytes("array", slice_make(array.data, array.size_bytes),
                      slice_make(bytes, sizeof bytes - 1));
}

static void test_int64(NO_STATE)
{
    static const struct {
        const char bytes[9];
        int64_t number;
    } cases[] = {
        {"\0\0\0\0\0\0\0\0", 0},
        {"\0\0\0\0\0\0\0\1", 1},
        {"\0\0\0\0\0\0\1\0", 256},
        {"\1\2\3\4\5\6\7\x8", 0x0102030405060708},
        {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", -1},
        {"\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", INT64_MAX},
        {"\x80\0\0\0\0\0\0\0", INT64_MIN},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char unaligned[9] = {0};
        memcpy(unaligned + 1, cases[i].bytes, 8);
        assert_true(pg_decode_int64(cases[i].bytes) == cases[i].number);
        assert_true(pg_decode_int64(unaligned + 1) == cases[i].number);
        pg_encode_int64(cases[i].number, unaligned);
        assert_memory_equal(unaligned, cases[i].bytes, 8);
    }
}

/* PostgreSQL counts from 2000-01-01T00:00:00Z, Unix from 1970. */
static void test_times(NO_STATE)
{
    static const struct {
        const char bytes[9];
        int64_t unix_us;
    } cases[] = {
        {"\0\0\0\0\0\0\0\0", 946684800000000},
        {"\0\0\0\0\0\0\0\1", 946684800000001},
        {"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 946684799999999},
        {"\xFF\xFC\xA2\xFE\xC4\xC8\x20\x00", 0},
        {"\x00\x03\x03\xD9\x86\x8A\x34\xF8", 1795342530123000}, /* 2026-11-22T10:15:30.123Z */
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char bytes[8];
        assert_true(pg_decode_time_us(cases[i].bytes) == cases[i].unix_us);
        pg_encode_time_us(cases[i].unix_us, bytes);
        assert_memory_equal(bytes, cases[i].bytes, 8);
    }
}

/* A client cannot name them; somebody's own SQL can. */
static void test_times_out_of_range(NO_STATE)
{
    static const struct {
        int64_t since_2000_us, unix_us;
    } cases[] = {
        {INT64_MIN, 0}, /* -infinity */
        {INT64_MIN + 1, 0},
        {-946684800000001, 0},
        {-946684800000000, 0},
        {-946684799999999, 1},
        {PG_TIME_MAX_US - 946684800000000, PG_TIME_MAX_US},
        {PG_TIME_MAX_US - 946684800000000 + 1, PG_TIME_MAX_US},
        {INT64_MAX - 946684800000000, PG_TIME_MAX_US},
        {INT64_MAX - 1, PG_TIME_MAX_US},
        {INT64_MAX, PG_TIME_MAX_US}, /* infinity */
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char bytes[8];
        pg_encode_int64(cases[i].since_2000_us, bytes);
        assert_true(pg_decode_time_us(bytes) == cases[i].unix_us);
    }
}

/* Any moment that a client may name comes back as it went. */
static void test_times_there_and_back(NO_STATE)
{
    static const int64_t from_us = 0, to_us = PG_TIME_MAX_US; /* years 1970, 9999 */
    struct random random = unit_random(1);
    for (int i = 0; i < 10000; i++) {
        char bytes[8];
        int64_t unix_us =
            i == 0   ? from_us
            : i == 1 ? to_us
                     : from_us + (int64_t)(random_next(&random) % (uint64_t)(to_us - from_us));
        pg_encode_time_us(unix_us, bytes);
        assert_true(pg_decode_time_us(bytes) == unix_us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_the_largest_array),
        cmocka_unit_test(test_arrays_of_numbers),
        cmocka_unit_test(test_an_empty_element),
        cmocka_unit_test(test_int64),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_times_out_of_range),
        cmocka_unit_test(test_times_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
