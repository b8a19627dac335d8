/* How counts are written into Redis: keys, values, and what is not believed to be one. */
#include "unit.h"

#include "rsvpd/store/redis_codec.h"

static void test_keys(NO_STATE)
{
    static const struct {
        enum relation_id relation;
        const char *entity, *key;
    } cases[] = {
        {RELATION_RSVP, "101a", "rsvpd:2:0123456789abcdef:rsvp:101a"},
        {RELATION_LIKE, "101a", "rsvpd:2:0123456789abcdef:like:101a"},
        {RELATION_LIKE, "a:b@c", "rsvpd:2:0123456789abcdef:like:a:b@c"},
        {RELATION_RSVP, "0123456789012345678901234567890123456789012345678901234567890123",
         "rsvpd:2:0123456789abcdef:rsvp:"
         "0123456789012345678901234567890123456789012345678901234567890123"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct redis_count entry = {.relation = &relations[cases[i].relation],
                                    .entity = unit_id(cases[i].entity)};
        char buffer[REDIS_KEY_SIZE_BYTES];
        struct text key = text_over(buffer, sizeof buffer);
        redis_encode_key("0123456789abcdef", &entry, &key);
        assert_false(key.truncated);
        unit_expect_text("key", text_slice(&key), cases[i].key);
    }
}

static struct slice encoded(const struct count *count, char buffer[REDIS_VALUE_SIZE_BYTES])
{
    struct text value = text_over(buffer, REDIS_VALUE_SIZE_BYTES);
    redis_encode_value(count, &value);
    assert_false(value.truncated);
    return text_slice(&value);
}

static void test_values(NO_STATE)
{
    static const struct {
        struct count count;
        const char *value;
    } cases[] = {
        {{.version = 0, .as_of_wall_us = 0, .value = 0}, "0000000000000000000:0000000000000000:0"},
        {{.version = 7, .as_of_wall_us = 1795342530123456, .value = 42},
         "0000000000000000007:1795342530123456:42"},
        {{.version = INT64_MAX, .as_of_wall_us = 9999999999999999, .value = 999999999999999999},
         "9223372036854775807:9999999999999999:999999999999999999"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char buffer[REDIS_VALUE_SIZE_BYTES];
        unit_expect_text("value", encoded(&cases[i].count, buffer), cases[i].value);
    }
}

static void test_round_trip_and_order(NO_STATE)
{
    struct random random = unit_random(1);
    for (int round = 0; round < 10000; round++) {
        struct count counts[2], back;
        struct slice values[2];
        char buffers[2][REDIS_VALUE_SIZE_BYTES];
        for (size_t i = 0; i < 2; i++) {
            unsigned shift = 1 + unit_below(&random, 63);
            counts[i] = (struct count){.version = (int64_t)(random_next(&random) >> shift),
                                       .as_of_wall_us = (int64_t)(random_next(&random) >> 11),
                                       .value = (int64_t)(random_next(&random) >> (shift | 5))};
            values[i] = encoded(&counts[i], buffers[i]);
            assert_true(redis_decode_value(values[i], &back));
            assert_int_equal(back.version, counts[i].version);
            assert_int_equal(back.as_of_wall_us, counts[i].as_of_wall_us);
            assert_int_equal(back.value, counts[i].value);
        }
        /* Redis compares bytes: a newer version is above an older one, then a later time is. */
        int order = memcmp(values[0].data, values[1].data, 19 + 1 + 16);
        bool above = counts[0].version > counts[1].version ||
                     (counts[0].version == counts[1].version &&
                      counts[0].as_of_wall_us > counts[1].as_of_wall_us);
        assert_int_equal(order > 0, above);
    }
}

#define GOOD "0000000000000000007:1795342530123456:42"

static void test_every_malformed_value_is_refused(NO_STATE)
{
    static const char *const values[] = {
        "",
        ":",
        "::",
        "42",
        "7:1795342530123456:42",
        "0000000000000000007",
        "0000000000000000007:",
        "0000000000000000007:1795342530123456",
        "0000000000000000007:1795342530123456:",
        "000000000000000007:1795342530123456:42",   /* a digit short */
        "00000000000000000007:1795342530123456:42", /* one too many */
        "0000000000000000007:795342530123456:42",
        "0000000000000000007:01795342530123456:42",
        "0000000000000000007:1795342530123456:1000000000000000000", /* 19 digits */
        "0000000000000000007:1795342530123456:-1",
        "0000000000000000007:1795342530123456:+1",
        "0000000000000000007:1795342530123456: 1",
        "0000000000000000007:1795342530123456:1 ",
        "0000000000000000007:1795342530123456:1\n",
        "0000000000000000007:1795342530123456:1.0",
        "0000000000000000007:1795342530123456:x",
        "0000000000000000007:1795342530123456:4/",
        "0000000000000000007:1795342530123456:042", /* never written with zeros in front */
        "0000000000000000007:1795342530123456:00",
        GOOD ":",
        GOOD ":1",
        ":" GOOD,
        " " GOOD,
        "-000000000000000007:1795342530123456:42",
        "000000000000000000x:1795342530123456:42",
        "0000000000000000007:-795342530123456:42",
        "0000000000000000007:179534253012345x:42",
        "0000000000000000007;1795342530123456:42",
        "0000000000000000007:1795342530123456;42",
        "9223372036854775808:1795342530123456:42", /* above the largest version */
        "9999999999999999999:1795342530123456:42",
    };
    struct count count;
    for (size_t i = 0; i < LENGTH(values); i++) {
        if (redis_decode_value(slice_of(values[i]), &count)) {
            fail_msg("'%s' was taken", values[i]);
        }
    }
    assert_false(redis_decode_value((struct slice){NULL, 0}, &count));
    assert_false(redis_decode_value(slice_make(GOOD "\0", sizeof GOOD), &count));
    assert_true(redis_decode_value(slice_of(GOOD), &count));
}

/* A good value with any one byte changed to what is no digit there is refused. */
static void test_any_foreign_byte_is_refused(NO_STATE)
{
    for (size_t at = 0; at < sizeof GOOD - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char value[] = GOOD;
            struct count count;
            char least = at == sizeof GOOD - 3 ? '1' : '0'; /* of a count */
            bool digit = byte >= least && byte <= '9';
            if (value[at] == ':') {
                digit = byte == ':';
            }
            value[at] = (char)byte;
            assert_int_equal(redis_decode_value(slice_make(value, sizeof GOOD - 1), &count), digit);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_round_trip_and_order),
        cmocka_unit_test(test_every_malformed_value_is_refused),
        cmocka_unit_test(test_any_foreign_byte_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
