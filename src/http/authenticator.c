/* Finds out who sends a request. */
#include "rsvpd/http/authenticator.h"
#include "rsvpd/domain/api_keys.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/token_cache.h"

#include <stdlib.h>

enum {
    TOKENS_SIZE_MAX_BYTES = 16 * 1024 * 1024, /* some 18,000 tokens of the usual size */
    SCOPE_WORDS = SCOPE_ADMIN,
    SECOND_US = 1000 * 1000,
};

struct authenticator {
    struct authenticator_setup setup;
    struct published_reader token_keys, api_keys;
    struct token_cache *tokens;
    /* Requests that wait, the first that came first: */
    struct list unchecked;   /* for the check of their token */
    struct list keyless;     /* for newer keys */
    uint64_t waited_version; /* of the keys that `keyless` wait to see replaced */
    size_t checks_left;      /* in this iteration of the loop */
    const char *scope_words[SCOPE_WORDS];
};

struct authenticator *authenticator_create(const struct authenticator_setup *setup)
{
    struct authenticator *authenticator = calloc(1, sizeof *authenticator);
    if (authenticator == NULL) {
        return NULL;
    }
    authenticator->setup = *setup;
    authenticator->tokens = token_cache_create(TOKENS_SIZE_MAX_BYTES, setup->hash_secret);
    if (authenticator->tokens == NULL) {
        free(authenticator);
        return NULL;
    }
    if (setup->token_keys != NULL) {
        authenticator->token_keys = published_reader_over(setup->token_keys);
    }
    authenticator->api_keys = published_reader_over(setup->api_keys);
    for (size_t i = 0; i < SCOPE_WORDS; i++) {
        authenticator->scope_words[i] = scope_name((enum scope)(i + 1));
    }
    authenticator->setup.policy.scope_words = authenticator->scope_words;
    authenticator->setup.policy.scope_count = SCOPE_WORDS;
    list_init(&authenticator->keyless);
    list_init(&authenticator->unchecked);
    authenticator->checks_left = AUTHENTICATOR_CHECKS_PER_ITERATION;
    return authenticator;
}

void authenticator_destroy(struct authenticator **authenticator_)
{
    struct authenticator *authenticator = *authenticator_;
    if (authenticator == NULL) {
        return;
    }
    assert(list_empty(&authenticator->keyless) && list_empty(&authenticator->unchecked));
    if (authenticator->setup.token_keys != NULL) {
        published_reader_end(&authenticator->token_keys);
    }
    published_reader_end(&authenticator->api_keys);
    token_cache_destroy(&authenticator->tokens);
    free(authenticator);
    *authenticator_ = NULL;
}

/* ---- API keys ---- */

static enum authentication check_api_key(struct authenticator *authenticator, struct slice shown,
                                         struct instant now, struct principal *principal,
                                         const char **fault)
{
    const struct api_keys *keys = published_read(&authenticator->api_keys);
    const struct api_key *found;
    if (keys == NULL) {
        return AUTHENTICATION_UNAVAILABLE;
    }
    switch (api_keys_find(keys, shown, now.wall_us, &found)) {
    case API_KEY_GOOD:
        principal->kind = PRINCIPAL_KEY;
        principal->scope = found->scope;
        principal->key_id = found->id;
        principal->good_until_us = found->expires_us;
        return AUTHENTICATED;
    case API_KEY_MALFORMED:
        *fault = "the API key is not rsvpd_ and 43 characters of base64url";
        return AUTHENTICATION_BAD;
    case API_KEY_UNKNOWN:
        *fault = "the API key is not known or was revoked";
        return AUTHENTICATION_BAD;
    case API_KEY_EXPIRED:
        *fault = "the API key has expired";
        return AUTHENTICATION_BAD;
    case API_KEY_UNCHECKED:
        return AUTHENTICATION_UNAVAILABLE;
    }
    return AUTHENTICATION_UNAVAILABLE;
}

/* ---- tokens ---- */

static enum scope highest(unsigned scopes)
{
    enum scope scope = SCOPE_NONE;
    for (size_t i = 0; i < SCOPE_WORDS; i++) {
        scope = (scopes & 1U << i) != 0 ? (enum scope)(i + 1) : scope;
    }
    return scope;
}

static enum authentication check_new_token(struct authenticator *authenticator,
                                           const struct jwk_set *keys, struct slice token,
                                           struct instant now, struct principal *principal,
                                           const char **fault)
{
    const struct key_refresh *refresh = &authenticator->setup.refresh;
    struct jwt_claims claims;
    metrics_add(authenticator->setup.metrics, METRIC_TOKENS_CHECKED, 1);
    enum jwt_fault found =
        jwt_check(keys, &authenticator->setup.policy, token, now.wall_us / SECOND_US, &claims);
    if (found != JWT_GOOD) {
        *fault = jwt_fault_text(found);
        /* Newer keys are on their way, or have come while this token was looked at. */
        bool comes =
            found == JWT_UNKNOWN_KEY && refresh->want != NULL &&
            (refresh->want(refresh->source) || published_version(authenticator->setup.token_keys) !=
                                                   authenticator->token_keys.version);
        return comes ? AUTHENTICATION_UNKNOWN_KEY : AUTHENTICATION_BAD;
    }
    if (!identifier_parse(slice_make(claims.subject, claims.subject_size), &principal->subject)) {
        *fault = "sub is not an identifier: " IDENTIFIER_RULE;
        return AUTHENTICATION_BAD;
    }
    principal->kind = PRINCIPAL_TOKEN;
    principal->scope = highest(claims.scopes);
    principal->good_until_us =
        claims.good_until_s < INT64_MAX / SECOND_US ? claims.good_until_s * SECOND_US : INT64_MAX;
    token_cache_keep(authenticator->tokens, token, authenticator->token_keys.version, principal,
                     claims.good_until_s, now);
    return AUTHENTICATED;
}

static enum authentication check_token(struct authenticator *authenticator, struct slice token,
                                       struct instant now, struct principal *principal,
                                       const char **fault)
{
    if (authenticator->setup.token_keys == NULL) {
        *fault = "no tokens are taken here, but API keys";
        return AUTHENTICATION_BAD;
    }
    const struct jwk_set *keys = published_read(&authenticator->token_keys);
    if (keys == NULL) {
        return AUTHENTICATION_UNAVAILABLE;
    }
    const struct principal *known =
        token_cache_find(authenticator->tokens, token, authenticator->token_keys.version, now);
    if (known != NULL) {
        *principal = *known;
        return AUTHENTICATED;
    }
    if (authenticator->checks_left == 0) {
        return AUTHENTICATION_LATER;
    }
    authenticator->checks_left--;
    return check_new_token(authenticator, keys, token, now, principal, fault);
}

/* What follows the scheme Bearer (RFC 6750 section 2.1). False where it is another scheme. */
static bool cut_bearer(struct slice credentials, struct slice *token)
{
    struct slice scheme = slice_cut(&credentials, ' ');
    *token = slice_trim(credentials);
    return slice_equal_nocase(scheme, slice_of("Bearer"));
}

enum authentication authenticator_check(struct authenticator *authenticator,
                                        const struct request *request, struct principal *principal,
                                        const char **fault)
{
    struct slice credentials[2], keys[2], token;
    size_t credentials_count = header_values(request, HEADER_AUTHORIZATION, credentials, 2);
    size_t key_count = header_values(request, HEADER_X_API_KEY, keys, 2);
    *principal = (struct principal){.kind = PRINCIPAL_ANONYMOUS};
    if (credentials_count + key_count > 1) {
        return AUTHENTICATION_AMBIGUOUS;
    }
    if (key_count == 1) {
        return check_api_key(authenticator, slice_trim(keys[0]), request->started, principal,
                             fault);
    }
    if (credentials_count == 1 && cut_bearer(slice_trim(credentials[0]), &token)) {
        return check_token(authenticator, token, request->started, principal, fault);
    }
    return AUTHENTICATION_NOT_SHOWN;
}

/* As far as can be told. */
static bool was_revoked(struct authenticator *authenticator, int64_t key_id)
{
    const struct api_keys *keys = published_read(&authenticator->api_keys);
    return keys != NULL && !api_keys_hold(keys, key_id);
}

bool authenticator_still_good(struct authenticator *authenticator,
                              const struct principal *principal, struct instant now,
                              int64_t *look_us)
{
    bool key = principal->kind == PRINCIPAL_KEY;
    if (!key && principal->kind != PRINCIPAL_TOKEN) {
        *look_us = INT64_MAX;
        return true;
    }
    int64_t left_us = principal->good_until_us - now.wall_us;
    int64_t latest_us = key ? AUTHENTICATOR_LOOK_EVERY_US : AUTHENTICATOR_LOOK_LATEST_US;
    *look_us = now.mono_us + (left_us < latest_us ? left_us : latest_us);
    return left_us > 0 && !(key && was_revoked(authenticator, principal->key_id));
}

/* ---- those that wait for newer keys ---- */

void authenticator_wait_for_keys(struct authenticator *authenticator, struct request *request)
{
    if (list_empty(&authenticator->keyless)) {
        authenticator->waited_version = published_version(authenticator->setup.token_keys);
    }
    list_push_back(&authenticator->keyless, &request->link);
}

struct request *authenticator_take_with_keys(struct authenticator *authenticator, int64_t now_us)
{
    struct list_node *first = list_first(&authenticator->keyless);
    if (first == NULL) {
        return NULL;
    }
    struct request *request = list_entry(first, struct request, link);
    const struct key_refresh *refresh = &authenticator->setup.refresh;
    int64_t overdue_us = request->started.mono_us + request->context->limits.deadline_us;
    if (published_version(authenticator->setup.token_keys) == authenticator->waited_version &&
        refresh->coming(refresh->source) && now_us < overdue_us) {
        return NULL;
    }
    list_remove(first);
    return request;
}

/* ---- those that wait for a check ---- */

void authenticator_wait_for_check(struct authenticator *authenticator, struct request *request)
{
    list_push_back(&authenticator->unchecked, &request->link);
}

void authenticator_begin_iteration(struct authenticator *authenticator)
{
    authenticator->checks_left = AUTHENTICATOR_CHECKS_PER_ITERATION;
}

struct request *authenticator_take_for_check(struct authenticator *authenticator)
{
    if (authenticator->checks_left == 0 || list_empty(&authenticator->unchecked)) {
        return NULL;
    }
    return list_entry(list_pop_front(&authenticator->unchecked), struct request, link);
}

bool authenticator_any_unchecked(const struct authenticator *authenticator)
{
    return !list_empty(&authenticator->unchecked);
}
