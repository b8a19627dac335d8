/* How shares of rates are written for Redis, and what is taken from it. */
#include "unit.h"

#include "rsvpd/store/redis_rates.h"

#include <string.h>

static const unsigned char key[MAC_KEY_SIZE_BYTES] = {1, 2, 3};
static const char namespace[] = "0123456789abcdef";

static void expect_word(const struct redis_words *words, int place, const char *expected)
{
    unit_expect_text("word", slice_make(words->at[place], words->sizes[place]), expected);
}

static void test_the_command(NO_STATE)
{
    const struct rate_share shares[] = {
        {.hash = 7, .charge_us = 100000, .spell_us = 258, .debt_max_us = 120000000},
        {.hash = 8, .charge_us = 1, .spell_us = 0, .debt_max_us = 2000000},
    };
    struct redis_words words;
    assert_true(redis_rates_write(&words, namespace, key, shares, 2));
    static const char entries[] = "\0\0\0\0\0\1\x86\xa0"    /* 100000 */
                                  "\0\0\0\0\0\0\1\2"        /* 258 */
                                  "\0\0\0\0\7\x27\x0e\0"    /* 120000000 */
                                  "\0\0\0\0\0\0\0\1"        /* 1 */
                                  "\0\0\0\0\0\0\0\0"        /* 0 */
                                  "\0\0\0\0\0\x1e\x84\x80"; /* 2000000 */
    assert_int_equal(words.count, 3 + 2 + 1);
    expect_word(&words, 0, "EVAL");
    expect_word(&words, 2, "2");
    assert_int_equal(words.sizes[5], sizeof entries - 1);
    assert_memory_equal(words.at[5], entries, sizeof entries - 1);
}

static void write_key(char out[REDIS_KEY_SIZE_BYTES], const unsigned char *with, uint64_t hash,
                      int64_t debt_max_us)
{
    const struct rate_share share = {.hash = hash, .debt_max_us = debt_max_us};
    struct redis_words words;
    assert_true(redis_rates_write(&words, namespace, with, &share, 1));
    assert_true(words.sizes[3] < REDIS_KEY_SIZE_BYTES);
    memcpy(out, words.at[3], words.sizes[3]);
    out[words.sizes[3]] = '\0';
}

/* The same in all processes of a database; another for another caller, under another window, and
 * under another key. */
static void test_keys(NO_STATE)
{
    static const unsigned char other[MAC_KEY_SIZE_BYTES] = {1, 2, 4};
    char first[REDIS_KEY_SIZE_BYTES], second[REDIS_KEY_SIZE_BYTES];
    write_key(first, key, 7, 2);
    write_key(second, key, 7, 2);
    assert_string_equal(first, second);
    assert_memory_equal(first, "rsvpd:2:0123456789abcdef:rate:", 30);
    assert_int_equal(strspn(first + 30, "0123456789abcdef"), 32);
    assert_int_equal(strlen(first), 62);
    write_key(second, key, 8, 2);
    assert_string_not_equal(first, second);
    write_key(second, other, 7, 2);
    assert_string_not_equal(first, second);
    write_key(second, key, 7, 4);
    assert_string_not_equal(first, second);
}

static void test_the_largest_exchange(NO_STATE)
{
    static struct rate_share shares[REDIS_RATES_MAX];
    struct redis_words words;
    for (size_t i = 0; i < REDIS_RATES_MAX; i++) {
        shares[i] = (struct rate_share){.hash = UINT64_MAX - i,
                                        .charge_us = INT64_MAX,
                                        .spell_us = INT64_MAX,
                                        .debt_max_us = INT64_MAX};
    }
    assert_true(redis_rates_write(&words, namespace, key, shares, REDIS_RATES_MAX));
    assert_int_equal(words.count, 3 + REDIS_RATES_MAX + 1);
}

/* A debt of one caller. False where the bytes are none. */
static bool parse_one(struct slice bytes, int64_t *debt_us)
{
    struct rate_share share = {.hash = 7, .answered = true};
    redis_rates_parse(bytes, &share, 1);
    *debt_us = share.debt_us;
    assert_int_equal(share.hash, 7);
    return share.answered;
}

static void test_debts(NO_STATE)
{
    static const struct {
        const char *bytes;
        int64_t debt_us;
    } good[] = {
        {"\0\0\0\0\0\0\0\0", 0},
        {"\0\0\0\x28\x3b\xae\xc0\0", 172800000000},
        {"\0\3\x8d\x7e\xa4\xc6\x7f\xff", 999999999999999},
    };
    static const char *const wrong[] = {
        "\0\3\x8d\x7e\xa4\xc6\x80\0",       /* 10^15 */
        "\x7f\xff\xff\xff\xff\xff\xff\xff", /* the most */
        "\x80\0\0\0\0\0\0\0",               /* the least */
        "\xff\xff\xff\xff\xff\xff\xff\xff", /* -1 */
        "12345678",                         /* digits */
        "\x41\x30\0\0\0\0\0\0",             /* a floating-point number */
        "\x7f\xf8\0\0\0\0\0\0",             /* which is none */
    };
    int64_t debt_us;
    for (size_t i = 0; i < LENGTH(good); i++) {
        assert_true(parse_one(slice_make(good[i].bytes, 8), &debt_us));
        assert_int_equal(debt_us, good[i].debt_us);
    }
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        if (parse_one(slice_make(wrong[i], 8), &debt_us)) {
            fail_msg("number %zu is taken", i);
        }
    }
    for (size_t size = 0; size <= 16; size++) {
        assert_int_equal(parse_one(slice_make("\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", size), &debt_us),
                         size == 8);
    }
}

/* Each of several callers gets their own; a wrong one spoils no other, a missing one all. */
static void test_debts_of_many(NO_STATE)
{
    static const char bytes[] = "\0\0\0\0\0\0\1\0"
                                "\xff\0\0\0\0\0\0\0"
                                "\0\0\0\0\0\0\0\3";
    struct rate_share shares[3] = {{0}};
    redis_rates_parse(slice_make(bytes, 24), shares, 3);
    assert_true(shares[0].answered && !shares[1].answered && shares[2].answered);
    assert_int_equal(shares[0].debt_us, 256);
    assert_int_equal(shares[2].debt_us, 3);
    redis_rates_parse(slice_make(bytes, 16), shares, 3);
    assert_false(shares[0].answered || shares[1].answered || shares[2].answered);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_command),          cmocka_unit_test(test_keys),
        cmocka_unit_test(test_the_largest_exchange), cmocka_unit_test(test_debts),
        cmocka_unit_test(test_debts_of_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
