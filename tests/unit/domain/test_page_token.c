/* Tokens of pages: good for their own listing, and nothing else is one. */
#include "unit.h"

#include "rsvpd/base/text.h"
#include "rsvpd/domain/page_token.h"

static const unsigned char key[MAC_KEY_SIZE_BYTES] = "a key of thirty-two bytes, no le";

static struct identifier id_of(const char *text)
{
    struct identifier id;
    assert_true(identifier_parse(slice_of(text), &id));
    return id;
}

static struct listing listing_of(enum relation_id relation, enum operation_kind kind,
                                 const char *of)
{
    return (struct listing){&relations[relation], kind, id_of(of)};
}

#define ID_128                                                                                     \
    "0123456789012345678901234567890123456789012345678901234567890123"                             \
    "0123456789012345678901234567890123456789012345678901234567890123"

static void test_round_trip(NO_STATE)
{
    static const char *const lasts[] = {"a",    "ab", "abc", "u~:@-._",
                                        ID_128, "1",  "10",  "9223372036854775807"};
    static const enum operation_kind kinds[] = {OPERATION_LIST_USERS, OPERATION_LIST_ENTITIES,
                                                OPERATION_LIST_WAITING};
    for (size_t i = 0; i < LENGTH(lasts) * LENGTH(kinds); i++) {
        char token[PAGE_TOKEN_SIZE_BYTES];
        struct identifier last = id_of(lasts[i / LENGTH(kinds)]), back;
        struct listing listing = listing_of(RELATION_RSVP, kinds[i % LENGTH(kinds)], ID_128);
        assert_true(page_token_make(key, &listing, &last, token));
        assert_true(strlen(token) < sizeof token);
        assert_int_equal(page_token_parse(key, &listing, slice_of(token), &back), PROBLEM_NONE);
        assert_true(identifier_equal(&last, &back));
    }
}

/* A token is good for the listing that it was made for, and for none of the others. */
static void test_listings_of_everybody(NO_STATE)
{
    const struct listing events = {&relations[RELATION_RSVP], OPERATION_LIST_EVENTS, {.size = 0}};
    const struct listing foreign = listing_of(RELATION_RSVP, OPERATION_LIST_WAITING, "e1");
    const struct identifier last = id_of("e1");
    struct identifier back;
    char token[PAGE_TOKEN_SIZE_BYTES];
    assert_true(page_token_make(key, &events, &last, token));
    assert_int_equal(page_token_parse(key, &events, slice_of(token), &back), PROBLEM_NONE);
    assert_true(identifier_equal(&last, &back));
    assert_int_equal(page_token_parse(key, &foreign, slice_of(token), &back),
                     PROBLEM_INVALID_PARAMETER);
}

/* An export goes on behind an identifier or a key of any bytes, in one of its parts. */
static void test_exports(NO_STATE)
{
    const struct identifier user = id_of("u1"), other = id_of("u");
    for (unsigned i = 0; i < 6; i++) {
        struct export_end end = {.part = (uint8_t)(i / 2), .size = i % 2 == 0 ? 0 : 255}, back;
        char token[PAGE_TOKEN_SIZE_BYTES];
        memset(end.data, ' ', sizeof end.data);
        assert_true(page_token_make_export(key, &user, &end, token));
        assert_true(strlen(token) < sizeof token);
        assert_int_equal(page_token_parse_export(key, &user, slice_of(token), &back), PROBLEM_NONE);
        assert_int_equal(back.part, end.part);
        assert_int_equal(back.size, end.size);
        assert_memory_equal(back.data, end.data, end.size);
        assert_int_equal(page_token_parse_export(key, &other, slice_of(token), &back),
                         PROBLEM_INVALID_PARAMETER);
        token[strlen(token) / 2] ^= 1;
        assert_int_equal(page_token_parse_export(key, &user, slice_of(token), &back),
                         PROBLEM_INVALID_PARAMETER);
    }
    const struct listing listing = listing_of(RELATION_RSVP, OPERATION_LIST_ENTITIES, "u1");
    const struct identifier last = id_of("e1");
    struct export_end back;
    char token[PAGE_TOKEN_SIZE_BYTES];
    assert_true(page_token_make(key, &listing, &last, token));
    assert_int_equal(page_token_parse_export(key, &user, slice_of(token), &back),
                     PROBLEM_INVALID_PARAMETER);
}

static void test_foreign(NO_STATE)
{
    const struct listing listings[] = {
        listing_of(RELATION_RSVP, OPERATION_LIST_USERS, "e1"),
        listing_of(RELATION_LIKE, OPERATION_LIST_USERS, "e1"),
        listing_of(RELATION_RSVP, OPERATION_LIST_ENTITIES, "e1"),
        listing_of(RELATION_RSVP, OPERATION_LIST_WAITING, "e1"),
        listing_of(RELATION_RSVP, OPERATION_LIST_USERS, "e2"),
        listing_of(RELATION_RSVP, OPERATION_LIST_WAITING, "e2"),
        listing_of(RELATION_RSVP, OPERATION_LIST_USERS, "e"),
        listing_of(RELATION_RSVP, OPERATION_LIST_WAITING, "e"),
    };
    static const unsigned char other_key[MAC_KEY_SIZE_BYTES] = "another key of thirty-two bytes.";
    struct identifier last = id_of("1"), back;
    for (size_t own = 0; own < LENGTH(listings); own++) {
        char token[PAGE_TOKEN_SIZE_BYTES];
        assert_true(page_token_make(key, &listings[own], &last, token));
        for (size_t i = 0; i < LENGTH(listings); i++) {
            assert_int_equal(page_token_parse(key, &listings[i], slice_of(token), &back),
                             i == own ? PROBLEM_NONE : PROBLEM_INVALID_PARAMETER);
        }
        assert_int_equal(page_token_parse(other_key, &listings[own], slice_of(token), &back),
                         PROBLEM_INVALID_PARAMETER);
    }
}

/* Every byte changed to every other, every end cut off, anything appended. */
static void test_forged(NO_STATE)
{
    struct listing listing = listing_of(RELATION_RSVP, OPERATION_LIST_USERS, "e1");
    struct identifier last = id_of("user-17"), back;
    char token[PAGE_TOKEN_SIZE_BYTES + 1];
    assert_true(page_token_make(key, &listing, &last, token));
    size_t size = strlen(token);
    for (size_t i = 0; i < size; i++) {
        char was = token[i];
        for (int c = 0; c < 256; c++) {
            token[i] = (char)c;
            bool same = token[i] == was;
            assert_int_equal(page_token_parse(key, &listing, slice_make(token, size), &back),
                             same ? PROBLEM_NONE : PROBLEM_INVALID_PARAMETER);
        }
        token[i] = was;
        assert_int_equal(page_token_parse(key, &listing, slice_make(token, i), &back),
                         PROBLEM_INVALID_PARAMETER);
    }
    token[size] = 'A';
    assert_int_equal(page_token_parse(key, &listing, slice_make(token, size + 1), &back),
                     PROBLEM_INVALID_PARAMETER);
}

static void test_too_long(NO_STATE)
{
    struct listing listing = listing_of(RELATION_RSVP, OPERATION_LIST_USERS, "e1");
    struct identifier back;
    char token[4096];
    memset(token, 'A', sizeof token);
    for (size_t size = 0; size <= sizeof token; size++) {
        assert_int_equal(page_token_parse(key, &listing, slice_make(token, size), &back),
                         PROBLEM_INVALID_PARAMETER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_listings_of_everybody),
        cmocka_unit_test(test_exports),    cmocka_unit_test(test_foreign),
        cmocka_unit_test(test_forged),     cmocka_unit_test(test_too_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
