/* The parameters of a query, by name. */
#include "rsvpd/http/query.h"
#include "rsvpd/base/uri.h"
#include "rsvpd/http/answer.h"

/* Undoes a value's percent-encoding; never gives NULL as data. */
static bool decode_value(struct request *request, const char *name, struct slice encoded,
                         struct slice *value)
{
    if (encoded.size == 0 || memchr(encoded.data, '%', encoded.size) == NULL) {
        *value = slice_make(encoded.data == NULL ? "" : encoded.data, encoded.size);
        return true;
    }
    char *decoded = arena_take(&request->arena, encoded.size);
    if (decoded == NULL) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return false;
    }
    value->data = decoded;
    if (!uri_decode(encoded, decoded, encoded.size, &value->size)) {
        answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                              "the query parameter '%s' holds a percent sign that no two "
                              "hexadecimal digits follow",
                              name);
        return false;
    }
    return true;
}

bool query_value(struct request *request, const char *name, struct slice *value)
{
    struct slice query = request->query;
    struct query_parameter parameter;
    bool seen = false;
    *value = (struct slice){NULL, 0};
    while (request_next_parameter(&query, &parameter)) {
        if (!uri_equal(parameter.name, slice_of(name))) {
            continue;
        }
        if (seen) {
            answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                                  "the query parameter '%s' is given more than once", name);
            return false;
        }
        seen = true;
        if (!decode_value(request, name, parameter.value, value)) {
            return false;
        }
    }
    return true;
}

bool query_number(struct request *request, const char *name, int64_t min, int64_t max,
                  int64_t absent, int64_t *number)
{
    struct slice value;
    *number = absent;
    if (!query_value(request, name, &value)) {
        return false;
    }
    if (value.data == NULL ||
        (slice_number(value, 9, number) && *number >= min && *number <= max)) {
        return true;
    }
    answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                          "the query parameter '%s' is not a whole number from %lld to %lld", name,
                          (long long)min, (long long)max);
    return false;
}

bool query_flag(struct request *request, const char *name, bool *given)
{
    struct slice value;
    if (!query_value(request, name, &value)) {
        return false;
    }
    *given = value.data != NULL;
    if (value.size > 0) {
        answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                              "the query parameter '%s' is given without a value", name);
        return false;
    }
    return true;
}

bool query_boolean(struct request *request, const char *name, bool *value)
{
    struct slice text;
    if (!query_value(request, name, &text)) {
        return false;
    }
    *value = slice_equal(text, slice_of("true"));
    if (text.data == NULL || *value || slice_equal(text, slice_of("false"))) {
        return true;
    }
    answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                          "the query parameter '%s' is neither 'true' nor 'false'", name);
    return false;
}

bool query_identifiers(struct request *request, const char *name, size_t max,
                       struct identifier **ids, size_t *size)
{
    struct slice query = request->query;
    struct query_parameter parameter;
    *size = 0;
    *ids = NULL;
    while (request_next_parameter(&query, &parameter)) {
        if (!uri_equal(parameter.name, slice_of(name))) {
            continue;
        }
        if (*size == max) {
            answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                                  "the query parameter '%s' is given more than %zu times", name,
                                  max);
            return false;
        }
        if (*ids == NULL && (*ids = arena_take(&request->arena, max * sizeof **ids)) == NULL) {
            answer_problem(request, PROBLEM_INTERNAL, NULL);
            return false;
        }
        if (!identifier_parse_query(parameter.value, &(*ids)[(*size)++])) {
            answer_problem_format(request, PROBLEM_INVALID_IDENTIFIER,
                                  "%s in the query is not an identifier: " IDENTIFIER_RULE
                                  ", after percent-decoding; a plus is written %%2B",
                                  name);
            return false;
        }
    }
    return true;
}

bool query_some_identifiers(struct request *request, const char *name, size_t max,
                            struct identifier **ids, size_t *size)
{
    if (!query_identifiers(request, name, max, ids, size)) {
        return false;
    }
    if (*size == 0) {
        answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                              "name 1 to %zu with the query parameter '%s'", max, name);
    }
    return *size > 0;
}
