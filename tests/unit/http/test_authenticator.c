/* Who sends a request: what it shows, and what becomes of what it shows. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/domain/api_keys.h"
#include "rsvpd/http/authenticator.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/gate.h"
#include "rsvpd/http/header.h"

#include "token.h"

#include <stdio.h>
#include <stdlib.h>

#define GOOD_FOR_S 600

enum { DEADLINE_US = 2 * 1000 * 1000, LEEWAY_S = 30 };

static struct token_key *known, *later;
static char *good, *expired, *strange, *of_later_key;
static char api_key[API_KEY_SIZE + 1];

static struct published *token_keys, *api_keys;
static struct metrics *metrics;
static struct authenticator *authenticator;
static struct http_context context;
static struct request request;

/* What the place that keys come from says, and how often it was asked for newer ones. */
static bool comes;
static int asked;
static const struct token_key *came; /* just before it is asked */

static void publish(const struct token_key *key);

static bool want(void *source)
{
    (void)source;
    asked++;
    if (came != NULL) {
        publish(came);
    }
    return comes;
}

static bool coming(void *source)
{
    (void)source;
    return comes;
}

static void destroy_set(void *set_)
{
    struct jwk_set *set = set_;
    jwk_set_destroy(&set);
}

static void destroy_api_keys(void *keys_)
{
    struct api_keys *keys = keys_;
    api_keys_destroy(&keys);
}

static void publish(const struct token_key *key)
{
    char error[JWK_ERROR_SIZE_BYTES] = "";
    char *json = token_key_set((const struct token_key *[]){key}, 1);
    struct jwk_set *set = jwk_set_parse(slice_of(json), error);
    free(json);
    assert_non_null(set);
    assert_true(published_replace(token_keys, set));
}

static int make_tokens(NO_STATE)
{
    unsigned char secret[API_KEY_SECRET_SIZE_BYTES] = {1, 2, 3};
    known = token_key_create(TOKEN_EC, "known");
    later = token_key_create(TOKEN_EC, "later");
    good = token_for(known, "ES256", "u1", "openid rsvp:write email", GOOD_FOR_S);
    expired = token_for(known, "ES256", "u1", NULL, -GOOD_FOR_S);
    strange = token_for(known, "ES256", "not an identifier", NULL, GOOD_FOR_S);
    of_later_key = token_for(later, "ES256", "u2", NULL, GOOD_FOR_S);
    api_key_make(secret, api_key);
    return 0;
}

static int free_tokens(NO_STATE)
{
    token_key_destroy(&known);
    token_key_destroy(&later);
    free(good);
    free(expired);
    free(strange);
    free(of_later_key);
    return 0;
}

static void create(const struct authenticator_setup *setup)
{
    authenticator = authenticator_create(setup);
    assert_non_null(authenticator);
    context = (struct http_context){.authenticator = authenticator,
                                    .limits = {.deadline_us = DEADLINE_US}};
}

static int set_up(NO_STATE)
{
    struct api_key key = {.id = 7, .scope = SCOPE_READ, .expires_us = INT64_MAX};
    comes = false;
    asked = 0;
    came = NULL;
    token_keys = published_create(destroy_set);
    api_keys = published_create(destroy_api_keys);
    metrics = metrics_create();
    assert_true(digest_compute(slice_of(api_key), key.digest));
    struct api_keys *set = api_keys_create(&key, 1);
    assert_non_null(set);
    assert_true(published_replace(api_keys, set));
    publish(known);
    create(&(struct authenticator_setup){
        .token_keys = token_keys,
        .api_keys = api_keys,
        .refresh = {.want = want, .coming = coming},
        .policy = {.algorithms = 1U << JWT_ES256, .leeway_s = LEEWAY_S},
        .metrics = metrics,
        .hash_secret = 5});
    return 0;
}

static int tear_down(NO_STATE)
{
    arena_reset(&request.arena);
    authenticator_destroy(&authenticator);
    published_destroy(&token_keys);
    published_destroy(&api_keys);
    free(metrics);
    return 0;
}

static void begin(void)
{
    arena_reset(&request.arena);
    request = (struct request){.context = &context, .started = clock_now()};
    unit_request_init(&request);
}

static void add_header(const char *name, const char *value)
{
    unit_request_note(&request, name, value);
}

static enum authentication check(struct principal *principal, const char **fault)
{
    *fault = NULL;
    return authenticator_check(authenticator, &request, principal, fault);
}

/* A request with at most two fields; NULL: without. */
static enum authentication show(const char *name, const char *value, const char *name2,
                                const char *value2, struct principal *principal)
{
    const char *fault;
    begin();
    if (name != NULL) {
        add_header(name, value);
    }
    if (name2 != NULL) {
        add_header(name2, value2);
    }
    enum authentication found = check(principal, &fault);
    assert_true((fault != NULL) ==
                (found == AUTHENTICATION_BAD || found == AUTHENTICATION_UNKNOWN_KEY));
    assert_true(fault == NULL || strpbrk(fault, "\"\\") == NULL);
    return found;
}

static enum authentication show_token(const char *scheme, const char *token,
                                      struct principal *principal)
{
    static char value[2048]; /* lives as long as the request */
    (void)snprintf(value, sizeof value, "%s%s", scheme, token);
    return show("Authorization", value, NULL, NULL, principal);
}

static uint64_t tokens_checked(void)
{
    return metrics_get(metrics, METRIC_TOKENS_CHECKED);
}

static void test_what_a_request_can_show(NO_STATE)
{
    const struct {
        const char *name, *value, *name2, *value2;
        enum authentication found;
    } cases[] = {
        {NULL, NULL, NULL, NULL, AUTHENTICATION_NOT_SHOWN},
        {"Authorization", "Basic dTE6cHc=", NULL, NULL, AUTHENTICATION_NOT_SHOWN},
        {"Authorization", "", NULL, NULL, AUTHENTICATION_NOT_SHOWN},
        {"Authorization", "Bearer", NULL, NULL, AUTHENTICATION_BAD},
        {"Authorization", "Bearer ", NULL, NULL, AUTHENTICATION_BAD},
        {"Authorization", "Bearer a.b.c", NULL, NULL, AUTHENTICATION_BAD},
        {"Authorization", good, NULL, NULL, AUTHENTICATION_NOT_SHOWN},
        {"X-API-Key", "", NULL, NULL, AUTHENTICATION_BAD},
        {"X-API-Key", "rsvpd_", NULL, NULL, AUTHENTICATION_BAD},
        {"X-API-Key", "rsvpd_0123456789012345678901234567890123456789012", NULL, NULL,
         AUTHENTICATION_BAD},
        {"X-API-Key", api_key, NULL, NULL, AUTHENTICATED},
        {"x-api-key", api_key, "Authorization", "Bearer a.b.c", AUTHENTICATION_AMBIGUOUS},
        {"X-API-Key", api_key, "X-API-Key", api_key, AUTHENTICATION_AMBIGUOUS},
        {"Authorization", "Bearer a.b.c", "Authorization", "Bearer a.b.c",
         AUTHENTICATION_AMBIGUOUS},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct principal principal;
        assert_int_equal(
            show(cases[i].name, cases[i].value, cases[i].name2, cases[i].value2, &principal),
            cases[i].found);
        assert_int_equal(principal.kind,
                         cases[i].found == AUTHENTICATED ? PRINCIPAL_KEY : PRINCIPAL_ANONYMOUS);
    }
}

static void test_an_api_key_is_a_service(NO_STATE)
{
    struct principal principal;
    assert_int_equal(show("X-API-Key", api_key, NULL, NULL, &principal), AUTHENTICATED);
    assert_int_equal(principal.kind, PRINCIPAL_KEY);
    assert_int_equal(principal.scope, SCOPE_READ);
    assert_int_equal(principal.key_id, 7);
    assert_int_equal(principal.subject.size, 0);
}

static void test_a_token_is_a_user(NO_STATE)
{
    static const char *const schemes[] = {"Bearer ", "bearer ", "BEARER ", "Bearer   "};
    for (size_t i = 0; i < LENGTH(schemes); i++) {
        struct principal principal;
        assert_int_equal(show_token(schemes[i], good, &principal), AUTHENTICATED);
        assert_int_equal(principal.kind, PRINCIPAL_TOKEN);
        assert_int_equal(principal.scope, SCOPE_WRITE);
        unit_expect_text("subject", identifier_slice(&principal.subject), "u1");
    }
    assert_int_equal(tokens_checked(), 1); /* then it is remembered */
}

/* Of an answer that goes on. */
static void test_how_long_a_token_is_good(NO_STATE)
{
    struct principal principal;
    int64_t look_us;
    assert_int_equal(show_token("Bearer ", good, &principal), AUTHENTICATED);
    struct instant now = request.started;
    assert_true(authenticator_still_good(authenticator, &principal, now, &look_us));
    assert_int_equal(look_us, now.mono_us + AUTHENTICATOR_LOOK_LATEST_US);
    assert_in_range(principal.good_until_us / 1000 / 1000, now.wall_us / 1000 / 1000 + GOOD_FOR_S,
                    now.wall_us / 1000 / 1000 + GOOD_FOR_S + LEEWAY_S + 1);
    now.wall_us = principal.good_until_us - 1;
    assert_true(authenticator_still_good(authenticator, &principal, now, &look_us));
    assert_int_equal(look_us, now.mono_us + 1);
    now.wall_us++;
    assert_false(authenticator_still_good(authenticator, &principal, now, &look_us));
}

static void test_how_long_an_api_key_is_good(NO_STATE)
{
    struct principal principal;
    int64_t look_us;
    assert_int_equal(show("X-API-Key", api_key, NULL, NULL, &principal), AUTHENTICATED);
    struct instant now = request.started;
    assert_true(authenticator_still_good(authenticator, &principal, now, &look_us));
    assert_int_equal(look_us, now.mono_us + AUTHENTICATOR_LOOK_EVERY_US);
    assert_true(published_replace(api_keys, api_keys_create(NULL, 0)));
    assert_false(authenticator_still_good(authenticator, &principal, now, &look_us));
}

static void test_who_shows_nothing_has_nothing_that_ends(NO_STATE)
{
    struct principal principal;
    int64_t look_us;
    assert_int_equal(show(NULL, NULL, NULL, NULL, &principal), AUTHENTICATION_NOT_SHOWN);
    assert_true(authenticator_still_good(authenticator, &principal, request.started, &look_us));
    assert_int_equal(look_us, INT64_MAX);
}

static void test_bad_tokens_are_checked_each_time(NO_STATE)
{
    const char *const bad[] = {expired, strange, of_later_key};
    for (size_t i = 0; i < LENGTH(bad); i++) {
        struct principal principal;
        authenticator_begin_iteration(authenticator);
        assert_int_equal(show_token("Bearer ", bad[i], &principal), AUTHENTICATION_BAD);
        assert_int_equal(show_token("Bearer ", bad[i], &principal), AUTHENTICATION_BAD);
        assert_int_equal(principal.kind, PRINCIPAL_ANONYMOUS);
    }
    assert_int_equal(tokens_checked(), 2 * LENGTH(bad));
    assert_int_equal(asked, 2); /* for the key that is not here */
}

/* A key that was taken out of the set is good for nobody, remembered or not. */
static void test_another_set_of_keys_is_asked_again(NO_STATE)
{
    struct principal principal;
    assert_int_equal(show_token("Bearer ", good, &principal), AUTHENTICATED);
    publish(later);
    assert_int_equal(show_token("Bearer ", good, &principal), AUTHENTICATION_BAD);
    assert_int_equal(show_token("Bearer ", of_later_key, &principal), AUTHENTICATED);
}

static void test_without_keys_nothing_can_be_said(NO_STATE)
{
    struct principal principal;
    struct published *empty = published_create(destroy_set);
    struct published *no_api_keys = published_create(destroy_api_keys);
    authenticator_destroy(&authenticator);
    create(&(struct authenticator_setup){
        .token_keys = empty, .api_keys = no_api_keys, .metrics = metrics, .hash_secret = 5});
    assert_int_equal(show_token("Bearer ", good, &principal), AUTHENTICATION_UNAVAILABLE);
    assert_int_equal(show("X-API-Key", api_key, NULL, NULL, &principal),
                     AUTHENTICATION_UNAVAILABLE);
    authenticator_destroy(&authenticator);
    create(&(struct authenticator_setup){
        .api_keys = no_api_keys, .metrics = metrics, .hash_secret = 5});
    assert_int_equal(show_token("Bearer ", good, &principal), AUTHENTICATION_BAD);
    authenticator_destroy(&authenticator);
    published_destroy(&empty);
    published_destroy(&no_api_keys);
}

/* Until newer keys are here, or none come any more, or the time of the request is over. */
static void test_a_token_of_a_key_to_come_waits(NO_STATE)
{
    const char *fault;
    struct principal principal;
    enum { KEYS_HERE, NONE_COME, OVERDUE, ENDS };
    for (int end = KEYS_HERE; end < ENDS; end++) {
        comes = true;
        authenticator_begin_iteration(authenticator);
        assert_int_equal(show_token("Bearer ", of_later_key, &principal),
                         AUTHENTICATION_UNKNOWN_KEY);
        authenticator_wait_for_keys(authenticator, &request);
        int64_t now_us = request.started.mono_us + DEADLINE_US - 1;
        assert_null(authenticator_take_with_keys(authenticator, now_us));
        if (end == KEYS_HERE) {
            publish(later);
        }
        comes = end != NONE_COME;
        now_us += end == OVERDUE;
        assert_ptr_equal(authenticator_take_with_keys(authenticator, now_us), &request);
        assert_null(authenticator_take_with_keys(authenticator, now_us));
        assert_int_equal(check(&principal, &fault), end == KEYS_HERE ? AUTHENTICATED
                                                    : end == NONE_COME
                                                        ? AUTHENTICATION_BAD
                                                        : AUTHENTICATION_UNKNOWN_KEY);
        publish(known);
    }
}

/* They came between the look at the token and the question whether any are coming. */
static void test_keys_that_just_came_are_looked_at(NO_STATE)
{
    const char *fault;
    struct principal principal;
    came = later;
    assert_int_equal(show_token("Bearer ", of_later_key, &principal), AUTHENTICATION_UNKNOWN_KEY);
    authenticator_wait_for_keys(authenticator, &request);
    assert_ptr_equal(authenticator_take_with_keys(authenticator, request.started.mono_us),
                     &request);
    assert_int_equal(check(&principal, &fault), AUTHENTICATED);
    unit_expect_text("subject", identifier_slice(&principal.subject), "u2");
}

static void check_as_many_as_may_be(void)
{
    struct principal principal;
    for (int i = 0; i < AUTHENTICATOR_CHECKS_PER_ITERATION; i++) {
        assert_int_equal(show_token("Bearer ", expired, &principal), AUTHENTICATION_BAD);
    }
}

/* Whoever is known passes however many strangers come. */
static void test_an_iteration_checks_a_few_tokens(NO_STATE)
{
    struct principal principal;
    check_as_many_as_may_be();
    assert_int_equal(show_token("Bearer ", expired, &principal), AUTHENTICATION_LATER);
    assert_int_equal(show_token("Bearer ", good, &principal), AUTHENTICATION_LATER);
    assert_int_equal(principal.kind, PRINCIPAL_ANONYMOUS);
    assert_int_equal(show("X-API-Key", api_key, NULL, NULL, &principal), AUTHENTICATED);
    assert_int_equal(tokens_checked(), AUTHENTICATOR_CHECKS_PER_ITERATION);
    authenticator_begin_iteration(authenticator);
    assert_int_equal(show_token("Bearer ", good, &principal), AUTHENTICATED);
    authenticator_begin_iteration(authenticator);
    check_as_many_as_may_be();
    assert_int_equal(show_token("Bearer ", good, &principal), AUTHENTICATED);
    assert_int_equal(tokens_checked(), 2 * AUTHENTICATOR_CHECKS_PER_ITERATION + 1);
}

/* Those that wait go first, in the order in which they came. */
static void test_the_others_wait_for_their_check(NO_STATE)
{
    enum { WAITING = AUTHENTICATOR_CHECKS_PER_ITERATION + 1 };
    static struct request waiting[WAITING];
    struct principal principal;
    check_as_many_as_may_be();
    assert_false(authenticator_any_unchecked(authenticator));
    for (size_t i = 0; i < WAITING; i++) {
        authenticator_wait_for_check(authenticator, &waiting[i]);
    }
    assert_null(authenticator_take_for_check(authenticator));
    authenticator_begin_iteration(authenticator);
    for (size_t i = 0; i < WAITING - 1; i++) {
        assert_ptr_equal(authenticator_take_for_check(authenticator), &waiting[i]);
        assert_int_equal(show_token("Bearer ", expired, &principal), AUTHENTICATION_BAD);
    }
    assert_null(authenticator_take_for_check(authenticator));
    assert_int_equal(show_token("Bearer ", expired, &principal), AUTHENTICATION_LATER);
    assert_true(authenticator_any_unchecked(authenticator));
    authenticator_begin_iteration(authenticator);
    assert_ptr_equal(authenticator_take_for_check(authenticator), &waiting[WAITING - 1]);
    assert_false(authenticator_any_unchecked(authenticator));
    assert_null(authenticator_take_for_check(authenticator));
    assert_int_equal(show_token("Bearer ", good, &principal), AUTHENTICATED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_a_request_can_show, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_api_key_is_a_service, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_is_a_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_how_long_a_token_is_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_how_long_an_api_key_is_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_shows_nothing_has_nothing_that_ends, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_bad_tokens_are_checked_each_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_set_of_keys_is_asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_without_keys_nothing_can_be_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_token_of_a_key_to_come_waits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_keys_that_just_came_are_looked_at, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_an_iteration_checks_a_few_tokens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_others_wait_for_their_check, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, make_tokens, free_tokens);
}
