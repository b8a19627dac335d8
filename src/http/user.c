/* Who acts. */
#include "rsvpd/http/user.h"
#include "rsvpd/base/uri.h"
#include "rsvpd/domain/access.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/body.h"
#include "rsvpd/http/header.h"

enum { HEADER_VALUES_MAX = 8 };

static const char invalid_id[] = "user_id %s is not an identifier: " IDENTIFIER_RULE;

/* Notes one more place that names the user: it must be an identifier, and the same as before. */
static bool name_user(struct request *request, bool valid, const struct identifier *user,
                      const char *place)
{
    if (!valid) {
        answer_problem_format(request, PROBLEM_INVALID_IDENTIFIER, invalid_id, place);
        return false;
    }
    if (request->user.size > 0 && !identifier_equal(&request->user, user)) {
        answer_problem_format(request, PROBLEM_CONFLICTING_USER_ID,
                              "the user named %s differs from another one that this request names",
                              place);
        return false;
    }
    request->user = *user;
    return true;
}

static bool from_query(struct request *request)
{
    struct slice query = request->query;
    struct query_parameter parameter;
    while (request_next_parameter(&query, &parameter)) {
        struct identifier user;
        if (uri_equal(parameter.name, slice_of("user_id")) &&
            !name_user(request, identifier_parse_query(parameter.value, &user), &user,
                       "in the query (where a plus is written %2B)")) {
            return false;
        }
    }
    return true;
}

static bool from_header(struct request *request)
{
    struct slice values[HEADER_VALUES_MAX];
    size_t size = header_values(request, HEADER_X_USER_ID, values, HEADER_VALUES_MAX);
    if (size == HEADER_VALUES_MAX) {
        answer_problem(
            request, PROBLEM_INVALID_PARAMETER,
            "the header X-User-Id is given more often than anybody needs: once is enough");
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        struct identifier user;
        if (!name_user(request, identifier_parse(slice_trim(values[i]), &user), &user,
                       "in the header X-User-Id")) {
            return false;
        }
    }
    return true;
}

static bool from_members(struct request *request, json_t *body)
{
    const char *key;
    json_t *value;
    json_object_foreach(body, key, value)
    {
        if (strcmp(key, "user_id") != 0) {
            answer_problem_format(request, PROBLEM_UNKNOWN_FIELD,
                                  "the body has the member '%.64s', but only user_id is known here",
                                  key);
            return false;
        }
        if (json_is_object(value) || json_is_array(value)) {
            answer_problem(request, PROBLEM_INVALID_JSON,
                           "user_id in the body must be a string, not an object or an array");
            return false;
        }
        if (!json_is_string(value)) {
            answer_problem(request, PROBLEM_INVALID_IDENTIFIER,
                           "user_id in the body must be a string, as in {\"user_id\":\"u1\"}");
            return false;
        }
        struct identifier user;
        struct slice text = slice_make(json_string_value(value), json_string_length(value));
        if (!name_user(request, identifier_parse(text, &user), &user, "in the body")) {
            return false;
        }
    }
    return true;
}

static bool from_body(struct request *request)
{
    if (request->body_size == 0) {
        return true;
    }
    json_t *body = body_parse(request, "{\"user_id\":\"u1\"}");
    bool named = body != NULL && from_members(request, body);
    json_decref(body);
    return named;
}

bool user_find(struct request *request)
{
    if (!from_body(request) || !from_query(request) || !from_header(request)) {
        return false;
    }
    if (request->user.size == 0 && request->principal->kind == PRINCIPAL_TOKEN) {
        request->user = request->principal->subject;
    }
    if (request->user.size == 0) {
        answer_problem(request, PROBLEM_MISSING_USER_ID, NULL);
        return false;
    }
    return true;
}
