/* The value of Idempotency-Key: which key it holds, and that anything else is refused. */
#include "unit.h"

#include "rsvpd/http/idempotency_key.h"

#include <stdlib.h>

#define ALPHABET64 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/"
#define ALPHABET63 "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+"
#define LONGEST ALPHABET64 ALPHABET64 ALPHABET64 ALPHABET63

/* The value lies in memory of just its size, so that the address sanitizer sees who reads behind
 * it. */
static void expect(const char *value, size_t size, const char *key)
{
    struct idempotency_key parsed;
    char *memory = malloc(size == 0 ? 1 : size);
    assert_non_null(memory);
    memcpy(memory, value, size);
    bool good = idempotency_key_parse(slice_make(memory, size), &parsed);
    if (good != (key != NULL)) {
        fail_msg("'%.*s' is %s", (int)size, value, good ? "taken" : "refused");
    }
    if (good) {
        unit_expect_text(value, idempotency_key_slice(&parsed), key);
    }
    free(memory);
}

static void test_keys(NO_STATE)
{
    static const struct {
        const char *value, *key; /* NULL: refused */
    } cases[] = {
        /* bare: as it stands */
        {"a", "a"},
        {"8e03978e-40d5-43dd-bc93-6894a57f9324", "8e03978e-40d5-43dd-bc93-6894a57f9324"},
        {"a b", "a b"},
        {"a  b", "a  b"},
        {"~!#$%&'()*+,-./:;<=>?@[]^_`{|}", "~!#$%&'()*+,-./:;<=>?@[]^_`{|}"},
        {"a\"b", "a\"b"},
        {"a\"", "a\""},
        {"\\", "\\"},
        {"a\\b", "a\\b"},
        {"a\\\"", "a\\\""},
        {"'a'", "'a'"},
        /* quoted */
        {"\"a\"", "a"},
        {"\"a b\"", "a b"},
        {"\" a \"", " a "},
        {"\" \"", " "},
        {"\"a\\\"b\"", "a\"b"},
        {"\"a\\\\b\"", "a\\b"},
        {"\"\\\\\"", "\\"},
        {"\"\\\"\"", "\""},
        {"\"\\\\\\\"\"", "\\\""},
        {"\"'\"", "'"},
        /* with blanks around */
        {" a ", "a"},
        {"\t a\t", "a"},
        {"  \"a\"  ", "a"},
        {" \" a \" ", " a "},
        /* nothing */
        {"", NULL},
        {" ", NULL},
        {"\t", NULL},
        {"\"\"", NULL},
        {" \"\" ", NULL},
        /* not closed, or not at the end */
        {"\"", NULL},
        {"\"a", NULL},
        {"\"a ", NULL},
        {"\"a\\\"", NULL},
        {"\"a\"b", NULL},
        {"\"a\"b\"", NULL},
        {"\"a\" b", NULL},
        {"\"a\"\"", NULL},
        {"\"\"a\"", NULL},
        {"\"a\";p=1", NULL},
        {"\"a\", \"b\"", NULL},
        /* a backslash before anything else, or at the end */
        {"\"a\\", NULL},
        {"\"\\", NULL},
        {"\"a\\b\"", NULL},
        {"\"a\\ \"", NULL},
        {"\"\\n\"", NULL},
        /* controls */
        {"a\tb", NULL},
        {"\"a\tb\"", NULL},
        {"\"\t\"", NULL},
        {"a\nb", NULL},
        {"a\x01", NULL},
        {"\x1f", NULL},
        {"\x7f", NULL},
        {"\"\x7f\"", NULL},
        {"\"a\\\x01\"", NULL},
        /* beyond ASCII */
        {"\xc3\xa9", NULL},
        {"\"\xc3\xa9\"", NULL},
        {"a\x80", NULL},
        {"a\xff", NULL},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect(cases[i].value, strlen(cases[i].value), cases[i].key);
    }
    expect("a\0b", 3, NULL);
    expect("\"a\0\"", 4, NULL);
    expect("\"\\\0\"", 4, NULL);
    expect("\0", 1, NULL);
}

/* 255 bytes of the key itself: quotes, backslashes before others, and blanks around do not count.
 */
static void test_how_long_a_key_may_be(NO_STATE)
{
    char value[520], key[260];
    expect(LONGEST, 255, LONGEST);
    expect("\"" LONGEST "\"", 257, LONGEST);
    expect("  " LONGEST "  ", 259, LONGEST);
    expect(LONGEST "x", 256, NULL);
    expect("\"" LONGEST "x\"", 258, NULL);
    expect("\" " LONGEST "\"", 258, NULL);
    expect("\"" LONGEST "\\\"\"", 259, NULL);
    for (size_t size = 1; size <= 256; size++) {
        memset(key, 0, sizeof key);
        memset(key, '"', size);
        value[0] = '"';
        for (size_t i = 0; i < size; i++) {
            memcpy(value + 1 + 2 * i, "\\\"", 2);
        }
        value[1 + 2 * size] = '"';
        expect(value, 2 + 2 * size, size <= 255 ? key : NULL);
    }
}

/* Every printable byte means itself, bare or quoted, but for the two that quoting needs. */
static void test_every_byte(NO_STATE)
{
    for (int c = 0; c < 256; c++) {
        const char bare[] = {'x', (char)c, 'x', '\0'}, quoted[] = {'"', 'x', (char)c, 'x', '"'};
        bool printable = c >= ' ' && c <= '~';
        expect(bare, 3, printable ? bare : NULL);
        expect(quoted, 5, printable && c != '"' && c != '\\' ? bare : NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_how_long_a_key_may_be),
        cmocka_unit_test(test_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
