/* Tokens that were found to be good: how long they are remembered, and how many. */
#include "unit.h"

#include "rsvpd/http/token_cache.h"

#include <stdio.h>

enum { SECOND_US = 1000 * 1000 };

static struct token_cache *cache;

static int set_up(NO_STATE)
{
    cache = token_cache_create(64 * 1024, 7);
    return cache == NULL;
}

static int tear_down(NO_STATE)
{
    token_cache_destroy(&cache);
    assert_null(cache);
    return 0;
}

static struct instant at(int64_t mono_s, int64_t wall_s)
{
    return (struct instant){.mono_us = mono_s * SECOND_US, .wall_us = wall_s * SECOND_US};
}

static void keep(const char *token, const char *subject, int64_t good_until_s, struct instant now)
{
    struct principal principal = {.kind = PRINCIPAL_TOKEN, .scope = SCOPE_READ};
    assert_true(identifier_parse(slice_of(subject), &principal.subject));
    token_cache_keep(cache, slice_of(token), 1, &principal, good_until_s, now);
}

static void expect(const char *token, uint64_t version, struct instant now, const char *subject)
{
    const struct principal *found = token_cache_find(cache, slice_of(token), version, now);
    assert_int_equal(found != NULL, subject != NULL);
    if (found != NULL) {
        assert_int_equal(found->kind, PRINCIPAL_TOKEN);
        assert_int_equal(found->scope, SCOPE_READ);
        unit_expect_text(token, identifier_slice(&found->subject), subject);
    }
}

static void test_a_token_is_compared_whole(NO_STATE)
{
    keep("a.b.c", "u1", 1000, at(0, 100));
    keep("a.b.d", "u2", 1000, at(0, 100));
    expect("a.b.c", 1, at(1, 101), "u1");
    expect("a.b.d", 1, at(1, 101), "u2");
    expect("a.b", 1, at(1, 101), NULL);
    expect("a.b.cc", 1, at(1, 101), NULL);
    expect("a.b.C", 1, at(1, 101), NULL);
    expect("", 1, at(1, 101), NULL);
}

static void test_it_is_forgotten_in_time(NO_STATE)
{
    static const struct {
        int64_t good_until_s, mono_s, wall_s;
        bool there;
    } cases[] = {
        {1000, 59, 159, true},      {1000, 60, 160, false}, /* after a minute it is checked again */
        {110, 9, 109, true},        {110, 10, 110, false},  /* or when it expires */
        {1000, 60, 100, false},     {1000, 1, 1000, false}, /* also where the clock steps */
        {INT64_MAX, 59, 159, true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        keep("t", "u", cases[i].good_until_s, at(0, 100));
        expect("t", 1, at(cases[i].mono_s, cases[i].wall_s), cases[i].there ? "u" : NULL);
        expect("t", 2, at(0, 100), NULL); /* forgets it */
        assert_int_equal(token_cache_size(cache), 0);
    }
}

static void test_newer_keys_check_again(NO_STATE)
{
    keep("t", "u", 1000, at(0, 100));
    expect("t", 1, at(0, 100), "u");
    expect("t", 2, at(0, 100), NULL);
    expect("t", 1, at(0, 100), NULL); /* not even for whoever has the old ones still */
}

static void test_it_holds_so_many_bytes_and_keeps_those_in_use(NO_STATE)
{
    char token[600];
    memset(token, 'x', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    keep("in use", "u", 1000, at(0, 100));
    keep("idle", "u", 1000, at(0, 100));
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(token, 6, "%05d", i);
        token[5] = 'x';
        keep(token, "v", 1000, at(0, 100));
        expect("in use", 1, at(0, 100), "u");
        assert_true(token_cache_size(cache) <= 64 * 1024);
    }
    expect("idle", 1, at(0, 100), NULL);
    expect(token, 1, at(0, 100), "v"); /* the last one */
    assert_true(token_cache_size(cache) > 60 * 1024);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_token_is_compared_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_is_forgotten_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_newer_keys_check_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_it_holds_so_many_bytes_and_keeps_those_in_use, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
