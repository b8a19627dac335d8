/* Identifiers: which bytes they may have, how they come in a URI, how they compare. */
#include "unit.h"

#include <stdio.h>

static const char allowed[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:@|+=";

static bool is_allowed(int byte)
{
    return byte != '\0' && strchr(allowed, byte) != NULL;
}

static void test_every_byte_alone_and_inside(NO_STATE)
{
    for (int byte = 0; byte < 256; byte++) {
        const char inside[] = {'a', (char)byte, 'z'};
        struct identifier id;
        assert_int_equal(identifier_parse(slice_make(inside + 1, 1), &id),
                         is_allowed(byte) && byte != '.');
        assert_int_equal(identifier_parse(slice_make(inside, 3), &id), is_allowed(byte));
        if (is_allowed(byte)) {
            unit_expect_bytes("inside", identifier_slice(&id), slice_make(inside, 3));
        }
    }
}

static void test_sizes(NO_STATE)
{
    char bytes[IDENTIFIER_SIZE_MAX_BYTES + 2], encoded[3 * sizeof bytes + 1];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = allowed[i % (sizeof allowed - 1)];
        snprintf(encoded + 3 * i, 4, "%%%02X", (unsigned)bytes[i]);
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        bool good = size >= 1 && size <= 128;
        struct identifier id;
        struct slice as_is = slice_make(bytes, size);
        assert_int_equal(identifier_parse(as_is, &id), good);
        assert_int_equal(identifier_parse_encoded(as_is, &id), good);
        assert_int_equal(identifier_parse_encoded(slice_make(encoded, 3 * size), &id), good);
        if (good) {
            unit_expect_bytes("decoded", identifier_slice(&id), as_is);
        }
    }
    struct identifier id;
    assert_false(identifier_parse((struct slice){NULL, 0}, &id));
    assert_false(identifier_parse_encoded((struct slice){NULL, 0}, &id));
}

/* What a percent sign would mean is not undone here: it is no byte of an identifier. */
static void test_parse_takes_bytes_as_they_stand(NO_STATE)
{
    struct identifier id;
    assert_false(identifier_parse(slice_of("%61"), &id));
    assert_false(identifier_parse(slice_of("a b"), &id));
}

static void test_every_encoded_byte(NO_STATE)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t i = 0; i < 2; i++) {
            char encoded[8], around[16];
            struct identifier id;
            snprintf(encoded, sizeof encoded, i == 0 ? "%%%02x" : "%%%02X", byte);
            snprintf(around, sizeof around, "a%sz", encoded);
            assert_int_equal(identifier_parse_encoded(slice_of(encoded), &id),
                             is_allowed((int)byte) && byte != '.');
            assert_int_equal(identifier_parse_encoded(slice_of(around), &id),
                             is_allowed((int)byte));
            if (is_allowed((int)byte)) {
                const char decoded[] = {'a', (char)byte, 'z'};
                unit_expect_bytes(around, identifier_slice(&id), slice_make(decoded, 3));
            }
        }
    }
}

static void test_encoded(NO_STATE)
{
    static const struct {
        const char *encoded;
        const char *decoded; /* NULL: refused */
    } cases[] = {
        {"u1", "u1"},
        {"%75%31", "u1"},
        {"%751", "u1"},
        {"u%31", "u1"},
        {"%7e%7E", "~~"},
        {"a:b@c", "a:b@c"},
        {"%40%3A%3a", "@::"},
        {"%41%6A%4a", "AjJ"},
        {"%2B", "+"},
        {"a+b", "a+b"},
        {"auth0|5f7c8ec7c33c6c004bbafe82", "auth0|5f7c8ec7c33c6c004bbafe82"},
        {"auth0%7C5f7c", "auth0|5f7c"},
        {"ada+rsvp@example.org", "ada+rsvp@example.org"},
        {"bWFpbA==", "bWFpbA=="},
        {"...", "..."},
        {".a", ".a"},
        {"a..", "a.."},
        /* decoded once */
        {"%2541", NULL},
        {"%25", NULL},
        /* bytes that must stay apart from what they would mean unencoded */
        {"a%2Fb", NULL},
        {"a%2fb", NULL},
        {"%00", NULL},
        {"a%00", NULL},
        {"%20", NULL},
        {"%3F", NULL},
        {".", NULL},
        {"..", NULL},
        {"%2E", NULL},
        {".%2e", NULL},
        {"%C3%A9", NULL},
        {"%FF", NULL},
        {"%0a", NULL},
        {"%80", NULL},
        /* malformed */
        {"%", NULL},
        {"%4", NULL},
        {"a%", NULL},
        {"a%4", NULL},
        {"%%", NULL},
        {"%%41", NULL},
        {"%G1", NULL},
        {"%4G", NULL},
        {"%g1", NULL},
        {"%@1", NULL},
        {"%`1", NULL},
        {"%4/", NULL},
        {"%4:", NULL},
        {"% 1", NULL},
        {"%+1", NULL},
        {"%-1", NULL},
        {"%0x41", NULL},
        {"%u0041", NULL},
        {"a%4%31", NULL},
        {"%\xC1"
         "1",
         NULL},
        {"%\x01"
         "1",
         NULL},
        {"%1\x10", NULL},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct identifier id;
        bool good = identifier_parse_encoded(slice_of(cases[i].encoded), &id);
        if (good != (cases[i].decoded != NULL)) {
            fail_msg("'%s' is %s", cases[i].encoded, good ? "taken" : "refused");
        }
        if (good) {
            unit_expect_text(cases[i].encoded, identifier_slice(&id), cases[i].decoded);
        }
    }
}

/* In a query a plus stands for itself only where it is encoded. */
static void test_a_plus_in_a_query(NO_STATE)
{
    static const struct {
        const char *encoded, *decoded; /* NULL: refused */
    } cases[] = {
        {"a", "a"},       {"a%2Bb", "a+b"}, {"%2b", "+"},      {"%7C%3d=", "|=="},
        {"a+b", NULL},    {"+", NULL},      {"a%2Bb+c", NULL}, {"%20", NULL},
        {"a%2520", NULL}, {"..", NULL},     {"%2e", NULL},     {"", NULL},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct identifier id;
        bool good = identifier_parse_query(slice_of(cases[i].encoded), &id);
        assert_int_equal(good, cases[i].decoded != NULL);
        if (good) {
            unit_expect_text(cases[i].encoded, identifier_slice(&id), cases[i].decoded);
        }
    }
}

/* What was stored before the rule became narrower is still read. */
static void test_stored(NO_STATE)
{
    struct identifier id;
    assert_true(identifier_parse_stored(slice_of(".."), &id));
    unit_expect_text("stored", identifier_slice(&id), "..");
    assert_false(identifier_parse_stored(slice_of("%41"), &id));
    assert_false(identifier_parse_stored(slice_of(""), &id));
}

/* People are told the same rule. */
static void test_the_rule_in_words(NO_STATE)
{
    char size[16];
    snprintf(size, sizeof size, "1 to %d ", IDENTIFIER_SIZE_MAX_BYTES);
    assert_ptr_equal(strstr(IDENTIFIER_RULE, size), IDENTIFIER_RULE);
    for (const char *c = strchr(allowed, '-'); *c != '\0'; c++) {
        assert_non_null(strchr(IDENTIFIER_RULE, *c));
    }
}

/* An escape that is cut short by the end of the slice is malformed, whatever follows in memory. */
static void test_an_escape_ends_with_the_slice(NO_STATE)
{
    const char bytes[] = "a%41";
    for (size_t size = 2; size <= 4; size++) {
        struct identifier id;
        assert_int_equal(identifier_parse_encoded(slice_make(bytes, size), &id), size == 4);
    }
}

static int sign(int number)
{
    return (number > 0) - (number < 0);
}

static void test_byte_order(NO_STATE)
{
    /* Ascending, as in PostgreSQL's collation "C". */
    static const char *const ascending[] = {"+",  "-",  "-a", ".a", "0", "00", "1", "10", "2",
                                            ":",  "=",  "@",  "A",  "B", "Z",  "_", "a",  "aA",
                                            "a_", "aa", "ab", "b",  "z", "zz", "|", "~"};
    for (size_t i = 0; i < LENGTH(ascending); i++) {
        for (size_t j = 0; j < LENGTH(ascending); j++) {
            struct identifier a = unit_id(ascending[i]), b = unit_id(ascending[j]);
            assert_int_equal(sign(identifier_compare(&a, &b)), sign((int)i - (int)j));
            assert_int_equal(identifier_equal(&a, &b), i == j);
        }
    }
}

/* The size and the bytes alone count, not what else the memory holds. */
static void test_what_lies_behind_does_not_count(NO_STATE)
{
    struct identifier a, b;
    memset(&a, 'x', sizeof a);
    memset(&b, 'y', sizeof b);
    assert_true(identifier_parse(slice_of("u1"), &a));
    assert_true(identifier_parse_encoded(slice_of("%751"), &b));
    assert_true(identifier_equal(&a, &b));
    assert_int_equal(identifier_compare(&a, &b), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_byte_alone_and_inside),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_parse_takes_bytes_as_they_stand),
        cmocka_unit_test(test_every_encoded_byte),
        cmocka_unit_test(test_encoded),
        cmocka_unit_test(test_a_plus_in_a_query),
        cmocka_unit_test(test_stored),
        cmocka_unit_test(test_the_rule_in_words),
        cmocka_unit_test(test_an_escape_ends_with_the_slice),
        cmocka_unit_test(test_byte_order),
        cmocka_unit_test(test_what_lies_behind_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
