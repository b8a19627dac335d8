/* Who sends a request, and whether they may. */
#include "rsvpd/http/who.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/authenticator.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/route.h"

enum { CHALLENGE_SIZE_BYTES = 320 };

#define REALM "Bearer realm=\"rsvpd\""

static const struct principal trusted = {.kind = PRINCIPAL_TRUSTED, .scope = SCOPE_ADMIN};
static const struct principal anonymous = {.kind = PRINCIPAL_ANONYMOUS};

static enum access access_of(const struct request *request)
{
    return route_endpoint(request->route, request->method).access;
}

/* WWW-Authenticate (RFC 6750 section 3). `name` and `value`: one more parameter. */
static void challenge(struct request *request, const char *error, const char *name,
                      const char *value)
{
    struct text text = request_text(request, CHALLENGE_SIZE_BYTES);
    text_add_cstr(&text, REALM ", error=\"");
    text_add_cstr(&text, error);
    text_add_cstr(&text, "\", ");
    text_add_cstr(&text, name);
    text_add_cstr(&text, "=\"");
    text_add_cstr(&text, value);
    text_add(&text, slice_make("\"", 2)); /* with the zero that ends it */
    answer_add_header(request, "WWW-Authenticate", text.truncated ? REALM : text.data);
}

static enum who refuse_unauthenticated(struct request *request, const char *fault)
{
    if (fault == NULL) {
        answer_problem(request, PROBLEM_UNAUTHENTICATED, NULL);
        answer_add_header(request, "WWW-Authenticate", REALM);
    } else {
        answer_problem_format(request, PROBLEM_UNAUTHENTICATED,
                              "what this request shows is not good: %s", fault);
        challenge(request, "invalid_token", "error_description", fault);
    }
    return WHO_REFUSED;
}

static enum who refuse_as(struct request *request, enum problem problem, const char *detail)
{
    answer_problem(request, problem, detail);
    return WHO_REFUSED;
}

static bool set_principal(struct request *request, const struct principal *found)
{
    struct principal *copy = arena_take(&request->arena, sizeof *copy);
    if (copy == NULL) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return false;
    }
    *copy = *found;
    request->principal = copy;
    return true;
}

/* What is open to all is open to whoever shows something bad, too. */
static enum who find_for_open(struct request *request)
{
    struct principal found;
    const char *fault;
    enum authentication shown =
        access_of(request) == ACCESS_OPEN
            ? AUTHENTICATION_NOT_SHOWN
            : authenticator_check(request->context->authenticator, request, &found, &fault);
    if (shown == AUTHENTICATION_LATER) {
        return WHO_LATER;
    }
    if (shown == AUTHENTICATED) {
        return set_principal(request, &found) ? WHO_KNOWN : WHO_REFUSED;
    }
    request->principal = &anonymous;
    return WHO_KNOWN;
}

enum who who_find(struct request *request)
{
    const struct http_context *context = request->context;
    struct principal found;
    const char *fault = NULL;
    if (context->authenticator == NULL) {
        request->principal = &trusted;
        return WHO_KNOWN;
    }
    if (access_is_open(access_of(request), &context->access)) {
        return find_for_open(request);
    }
    switch (authenticator_check(context->authenticator, request, &found, &fault)) {
    case AUTHENTICATED:
        return set_principal(request, &found) ? WHO_KNOWN : WHO_REFUSED;
    case AUTHENTICATION_LATER:
        return WHO_LATER;
    case AUTHENTICATION_UNKNOWN_KEY:
        return WHO_WAITS;
    case AUTHENTICATION_NOT_SHOWN:
        return refuse_unauthenticated(request, NULL);
    case AUTHENTICATION_BAD:
        return refuse_unauthenticated(request, fault);
    case AUTHENTICATION_AMBIGUOUS:
        return refuse_as(request, PROBLEM_INVALID_PARAMETER,
                         "the request shows more than one token or key: send one Authorization or "
                         "one X-API-Key");
    case AUTHENTICATION_UNAVAILABLE:
        return refuse_as(request, PROBLEM_KEYS_UNAVAILABLE, NULL);
    }
    return refuse_as(request, PROBLEM_INTERNAL, NULL);
}

static bool refuse_scope(struct request *request, enum scope scope, bool other_user)
{
    answer_problem_format(request, PROBLEM_FORBIDDEN,
                          "this needs the scope %s%s. Nothing was done.", scope_name(scope),
                          other_user ? ", or to be sent by the user whom it names" : "");
    challenge(request, "insufficient_scope", "scope", scope_name(scope));
    return false;
}

bool who_may(struct request *request)
{
    enum scope scope;
    const struct identifier *user = request->user.size == 0 ? NULL : &request->user;
    switch (access_check(access_of(request), &request->context->access, request->principal, user,
                         &scope)) {
    case ACCESS_GRANTED:
        return true;
    case ACCESS_WANTS_CREDENTIALS:
        return refuse_unauthenticated(request, NULL) == WHO_KNOWN;
    case ACCESS_WANTS_SCOPE:
        return refuse_scope(request, scope, user != NULL);
    }
    return false;
}

bool who_may_go_on(const struct request *request, struct instant now, int64_t *look_us)
{
    const struct http_context *context = request->context;
    *look_us = INT64_MAX;
    return context->authenticator == NULL || access_is_open(access_of(request), &context->access) ||
           authenticator_still_good(context->authenticator, request->principal, now, look_us);
}

bool who_has_scope(struct request *request, enum scope scope)
{
    return request->principal->scope >= scope || refuse_scope(request, scope, false);
}
