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
        {.hash = 7, .charge_us = 100000, .debt_max_us = 120000000},
        {.hash = 8, .charge_us = 1, .debt_max_us = 2000000},
    };
    struct redis_words words;
    assert_true(redis_rates_write(&words, namespace, key, shares, 2));
    assert_int_equal(words.count, 3 + 2 + 4);
    expect_word(&words, 0, "EVAL");
    expect_word(&words, 2, "2");
    expect_word(&words, 5, "100000");
    expect_word(&words, 6, "120000000");
    expect_word(&words, 7, "1");
    expect_word(&words, 8, "2000000");
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
        shares[i] = (struct rate_share){
            .hash = UINT64_MAX - i, .charge_us = INT64_MAX, .debt_max_us = INT64_MAX};
    }
    assert_true(redis_rates_write(&words, namespace, key, shares, REDIS_RATES_MAX));
    assert_int_equal(words.count, 3 + 3 * REDIS_RATES_MAX);
}

static void test_debts(NO_STATE)
{
    static const char *const wrong[] = {
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1.5",
        "1e3",
        "0x1",
        "nan",
        "inf",
        "1000000000000000",
        "99999999999999999999999999",
    };
    int64_t debt_us;
    assert_true(redis_decode_debt(slice_of("0"), &debt_us));
    assert_int_equal(debt_us, 0);
    assert_true(redis_decode_debt(slice_of("172800000000"), &debt_us));
    assert_int_equal(debt_us, 172800000000);
    assert_true(redis_decode_debt(slice_of("999999999999999"), &debt_us));
    assert_int_equal(debt_us, 999999999999999);
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        if (redis_decode_debt(slice_of(wrong[i]), &debt_us)) {
            fail_msg("'%s' is taken", wrong[i]);
        }
    }
    assert_false(redis_decode_debt(slice_make("1\0", 2), &debt_us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_command),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_the_largest_exchange),
        cmocka_unit_test(test_debts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
