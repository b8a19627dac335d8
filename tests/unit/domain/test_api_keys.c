/* API keys: their form, and the set of those that are in force. */
#include "unit.h"

#include "rsvpd/domain/api_keys.h"

#include <stdlib.h>

enum { HOUR_US_MILLIONS = 3600 };
static const int64_t hour_us = INT64_C(1000000) * HOUR_US_MILLIONS;
static const int64_t now_us = INT64_C(1795774530123456);

static const char *text_of(unsigned number)
{
    static char text[API_KEY_SIZE + 1];
    unsigned char secret[API_KEY_SECRET_SIZE_BYTES] = {0};
    memcpy(secret, &number, sizeof number);
    api_key_make(secret, text);
    return text;
}

static struct api_key key_of(unsigned number, enum scope scope, int64_t expires_us)
{
    struct api_key key = {.id = number, .scope = scope, .expires_us = expires_us};
    assert_true(digest_compute(slice_of(text_of(number)), key.digest));
    return key;
}

static struct api_keys *create(const struct api_key *keys, size_t count)
{
    struct api_keys *set = api_keys_create(keys, count);
    assert_non_null(set);
    assert_int_equal(api_keys_count(set), count);
    for (size_t i = 0; i < count; i++) {
        assert_true(api_keys_hold(set, keys[i].id));
    }
    assert_false(api_keys_hold(set, -1));
    return set;
}

static void expect_verdict(const struct api_keys *set, const char *shown,
                           enum api_key_verdict verdict)
{
    const struct api_key *found = NULL;
    assert_int_equal(api_keys_find(set, slice_of(shown), now_us, &found), verdict);
    assert_true((found != NULL) == (verdict == API_KEY_GOOD));
}

static void test_form(NO_STATE)
{
    unsigned char secret[API_KEY_SECRET_SIZE_BYTES];
    char key[API_KEY_SIZE + 1];
    memset(secret, 0xff, sizeof secret);
    api_key_make(secret, key);
    assert_string_equal(key, "rsvpd_"
                             "__________________________________________8");
    assert_int_equal(strlen(key), 6 + 43);
}

static void test_every_key_is_found(NO_STATE)
{
    enum { COUNT = 1000 };
    struct api_key keys[COUNT];
    for (unsigned i = 0; i < COUNT; i++) {
        keys[i] = key_of(i, SCOPE_READ + i % 3, INT64_MAX);
    }
    struct api_keys *set = create(keys, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        const struct api_key *found;
        assert_int_equal(api_keys_find(set, slice_of(text_of(i)), now_us, &found), API_KEY_GOOD);
        assert_int_equal(found->id, i);
        assert_int_equal(found->scope, SCOPE_READ + i % 3);
    }
    expect_verdict(set, text_of(COUNT), API_KEY_UNKNOWN);
    api_keys_destroy(&set);
    assert_null(set);
}

static void test_nobody_is_known(NO_STATE)
{
    struct api_keys *set = create(NULL, 0);
    expect_verdict(set, text_of(1), API_KEY_UNKNOWN);
    api_keys_destroy(&set);
}

/* Digests that begin alike are told apart by the rest. */
static void test_collisions(NO_STATE)
{
    struct api_key keys[3] = {key_of(1, SCOPE_READ, INT64_MAX), key_of(1, SCOPE_WRITE, INT64_MAX),
                              key_of(1, SCOPE_ADMIN, INT64_MAX)};
    keys[0].digest[DIGEST_SIZE_BYTES - 1] ^= 1;
    keys[2].digest[8] ^= 0x80;
    struct api_keys *set = create(keys, 3);
    const struct api_key *found;
    assert_int_equal(api_keys_find(set, slice_of(text_of(1)), now_us, &found), API_KEY_GOOD);
    assert_int_equal(found->scope, SCOPE_WRITE);
    api_keys_destroy(&set);
}

static void test_malformed(NO_STATE)
{
    struct api_key key = key_of(1, SCOPE_READ, INT64_MAX);
    struct api_keys *set = create(&key, 1);
    char text[API_KEY_SIZE + 2];
    expect_verdict(set, "", API_KEY_MALFORMED);
    expect_verdict(set, "rsvpd_", API_KEY_MALFORMED);
    for (size_t i = 0; i < API_KEY_SIZE; i++) {
        static const char others[] = {'=', '+', '/', ' ', '\n', '\x80'};
        for (size_t j = 0; j < LENGTH(others); j++) {
            strcpy(text, text_of(1));
            text[i] = others[j];
            expect_verdict(set, text, API_KEY_MALFORMED);
        }
    }
    strcpy(text, text_of(1));
    text[0] = 'R'; /* case counts */
    expect_verdict(set, text, API_KEY_MALFORMED);
    strcpy(text, text_of(1));
    strcat(text, "A");
    expect_verdict(set, text, API_KEY_MALFORMED);
    text[API_KEY_SIZE - 1] = '\0';
    expect_verdict(set, text, API_KEY_MALFORMED);
    strcpy(text, text_of(1));
    text[10] = '\0';
    const struct api_key *found;
    assert_int_equal(api_keys_find(set, slice_make(text, API_KEY_SIZE), now_us, &found),
                     API_KEY_MALFORMED);
    api_keys_destroy(&set);
}

/* Each character counts, the last one's spare bits included. */
static void test_another_character(NO_STATE)
{
    struct api_key key = key_of(1, SCOPE_READ, INT64_MAX);
    struct api_keys *set = create(&key, 1);
    for (size_t i = strlen(API_KEY_PREFIX); i < API_KEY_SIZE; i++) {
        char text[API_KEY_SIZE + 1];
        strcpy(text, text_of(1));
        text[i] = text[i] == 'A' ? 'B' : 'A';
        expect_verdict(set, text, API_KEY_UNKNOWN);
    }
    expect_verdict(set, text_of(1), API_KEY_GOOD);
    api_keys_destroy(&set);
}

static void test_expiry(NO_STATE)
{
    const struct api_key keys[] = {key_of(1, SCOPE_READ, now_us), key_of(2, SCOPE_READ, now_us + 1),
                                   key_of(3, SCOPE_READ, 0)};
    struct api_keys *set = create(keys, LENGTH(keys));
    expect_verdict(set, text_of(1), API_KEY_EXPIRED);
    expect_verdict(set, text_of(2), API_KEY_GOOD);
    expect_verdict(set, text_of(3), API_KEY_EXPIRED);
    struct api_key_use uses[3];
    assert_int_equal(api_keys_unnoted_uses(set, set, uses, 3), 1);
    assert_int_equal(uses[0].id, 2);
    api_keys_destroy(&set);
}

static void expect_uses(const struct api_keys *noted, const struct api_keys *found, size_t count,
                        int64_t id, int64_t used_us)
{
    struct api_key_use uses[4] = {{0}};
    assert_int_equal(api_keys_unnoted_uses(noted, found, uses, LENGTH(uses)), count);
    assert_int_equal(uses[0].id, id);
    assert_int_equal(uses[0].used_us, used_us);
}

static void test_use_is_told_to_the_hour(NO_STATE)
{
    const int64_t cut_us = now_us - now_us % hour_us;
    struct api_key key = key_of(1, SCOPE_READ, INT64_MAX);
    struct api_keys *set = create(&key, 1);
    const struct api_key *found;
    expect_uses(set, set, 0, 0, 0);
    expect_verdict(set, text_of(2), API_KEY_UNKNOWN);
    expect_uses(set, set, 0, 0, 0);
    expect_verdict(set, text_of(1), API_KEY_GOOD);
    expect_uses(set, set, 1, 1, cut_us);
    assert_int_equal(api_keys_find(set, slice_of(text_of(1)), now_us + hour_us, &found),
                     API_KEY_GOOD);
    expect_uses(set, set, 1, 1, cut_us + hour_us);
    api_keys_destroy(&set);
}

/* What was noted meanwhile, by whomever, is not told again; nor is the use of a key that is gone.
 */
static void test_noted_uses_are_not_told(NO_STATE)
{
    const int64_t cut_us = now_us - now_us % hour_us;
    struct api_key keys[] = {key_of(1, SCOPE_READ, INT64_MAX), key_of(2, SCOPE_READ, INT64_MAX),
                             key_of(3, SCOPE_READ, INT64_MAX)};
    struct api_keys *found = create(keys, 3);
    for (unsigned i = 1; i <= 3; i++) {
        expect_verdict(found, text_of(i), API_KEY_GOOD);
    }
    keys[0].used_us = cut_us - hour_us;
    keys[1].used_us = cut_us;
    struct api_keys *noted = create(keys, 2);
    expect_uses(noted, found, 1, 1, cut_us);
    struct api_key_use use;
    assert_int_equal(api_keys_unnoted_uses(found, found, &use, 1), 1); /* there is room for one */
    api_keys_destroy(&noted);
    api_keys_destroy(&found);
}

static void test_equal_sets(NO_STATE)
{
    const struct api_key keys[] = {key_of(1, SCOPE_READ, 7), key_of(2, SCOPE_ADMIN, INT64_MAX)};
    const struct api_key turned[] = {keys[1], keys[0]};
    struct api_keys *set = create(keys, 2), *same = create(turned, 2), *fewer = create(keys, 1);
    assert_true(api_keys_equal(set, same));
    assert_false(api_keys_equal(set, fewer));
    for (int what = 0; what < 4; what++) {
        struct api_key changed[] = {keys[0], keys[1]};
        changed[1].used_us = now_us; /* makes no difference */
        changed[0].id += what == 0;
        changed[0].scope += what == 1;
        changed[0].expires_us += what == 2;
        changed[0].digest[31] ^= what == 3;
        struct api_keys *another = create(changed, 2);
        assert_false(api_keys_equal(set, another));
        api_keys_destroy(&another);
    }
    api_keys_destroy(&set);
    api_keys_destroy(&same);
    api_keys_destroy(&fewer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),
        cmocka_unit_test(test_every_key_is_found),
        cmocka_unit_test(test_nobody_is_known),
        cmocka_unit_test(test_collisions),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_another_character),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_use_is_told_to_the_hour),
        cmocka_unit_test(test_noted_uses_are_not_told),
        cmocka_unit_test(test_equal_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
