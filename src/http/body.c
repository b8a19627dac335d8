/* The JSON object in a request's body. */
#include "rsvpd/http/body.h"
#include "rsvpd/http/answer.h"

#include <stdlib.h>

/* Of a body: the object itself, and one more to be able to name what is wrong in it. */
enum { DEPTH_MAX = 2 };

/* jansson reports a string that it had no memory for as a syntax error. */
static _Thread_local bool memory_exhausted;

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    memory_exhausted = memory_exhausted || memory == NULL;
    return memory;
}

void body_prepare(void)
{
    json_set_alloc_funcs(allocate, free);
}

/* NOLINTNEXTLINE(misc-no-recursion): no deeper than `limit` */
static int depth_of(const json_t *value, int limit)
{
    int deepest = 0;
    size_t index;
    const char *key;
    json_t *child;
    if (limit == 0 || (!json_is_object(value) && !json_is_array(value))) {
        return json_is_object(value) || json_is_array(value) ? 1 : 0;
    }
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, child)
        {
            int depth = depth_of(child, limit - 1);
            deepest = depth > deepest ? depth : deepest;
        }
    } else {
        json_array_foreach(value, index, child)
        {
            int depth = depth_of(child, limit - 1);
            deepest = depth > deepest ? depth : deepest;
        }
    }
    return deepest + 1;
}

/* Says why jansson could not read the body. */
static void answer_unreadable(struct request *request, const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_numeric_overflow:
        answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                              "a number in the body is out of every range (line %d, column %d)",
                              error->line, error->column);
        return;
    case json_error_duplicate_key:
        answer_problem_format(request, PROBLEM_INVALID_JSON,
                              "the body names a member twice (line %d, column %d)", error->line,
                              error->column);
        return;
    case json_error_invalid_utf8:
        answer_problem_format(request, PROBLEM_INVALID_JSON,
                              "the body is not UTF-8 (line %d, column %d)", error->line,
                              error->column);
        return;
    default:
        answer_problem_format(request, PROBLEM_INVALID_JSON,
                              "the body is not valid JSON (line %d, column %d)", error->line,
                              error->column);
    }
}

/* A JSON text may nest 2048 deep before jansson refuses it; anything past DEPTH_MAX is refused
 * here. */
json_t *body_parse(struct request *request, const char *example)
{
    json_error_t error;
    if (request->body_size == 0) {
        answer_problem_format(request, PROBLEM_INVALID_JSON,
                              "there is no body: send a JSON object such as %s", example);
        return NULL;
    }
    memory_exhausted = false;
    json_t *body = json_loadb(request->body, request->body_size, JSON_REJECT_DUPLICATES, &error);
    if (body == NULL && memory_exhausted) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
    } else if (body == NULL) {
        answer_unreadable(request, &error);
    } else if (!json_is_object(body)) {
        answer_problem_format(request, PROBLEM_INVALID_JSON,
                              "the body must be a JSON object such as %s", example);
    } else if (depth_of(body, DEPTH_MAX + 1) > DEPTH_MAX) {
        answer_problem(request, PROBLEM_INVALID_JSON, "the body is nested deeper than it need be");
    } else {
        return body;
    }
    json_decref(body);
    return NULL;
}

/* ---- numbers as they are written ---- */

enum { EXPONENT_MAX = 1000 * 1000 }; /* more than any body has digits */

/* Goes over the digits at `*at`; answers how many. */
static size_t skip_digits(struct slice text, size_t *at)
{
    size_t begin = *at;
    while (*at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9') {
        ++*at;
    }
    return *at - begin;
}

/* How many of the digits in `text` there are up to the last one that is not 0. */
static size_t significant_digits(struct slice text)
{
    size_t digits = 0, last = 0;
    for (size_t i = 0; i < text.size; i++) {
        digits += text.data[i] != '.';
        last = text.data[i] >= '1' && text.data[i] <= '9' ? digits : last;
    }
    return last;
}

/* Goes over the number at `*at`: it is whole where the point, once the exponent has moved it,
 * stands behind the last digit that is not 0. */
static bool skip_number(struct slice text, size_t *at)
{
    size_t begin = *at;
    size_t before_point = skip_digits(text, at);
    if (*at < text.size && text.data[*at] == '.') {
        ++*at;
        (void)skip_digits(text, at);
    }
    size_t last = significant_digits(slice_make(text.data + begin, *at - begin));
    long exponent = 0;
    if (*at < text.size && (text.data[*at] == 'e' || text.data[*at] == 'E')) {
        bool negative = *at + 1 < text.size && text.data[*at + 1] == '-';
        *at += *at + 1 < text.size && (negative || text.data[*at + 1] == '+') ? 2 : 1;
        size_t from = *at;
        for (size_t end = from + skip_digits(text, at); from < end; from++) {
            exponent = exponent > EXPONENT_MAX ? exponent : exponent * 10 + (text.data[from] - '0');
        }
        exponent = negative ? -exponent : exponent;
    }
    return last == 0 || (long)last <= (long)before_point + exponent;
}

bool body_numbers_are_whole(const struct request *request)
{
    struct slice text = slice_make(request->body, request->body_size);
    bool in_string = false, whole = true;
    size_t at = 0;
    while (at < text.size && whole) {
        char c = text.data[at];
        if (!in_string && c >= '0' && c <= '9') {
            whole = skip_number(text, &at);
            continue;
        }
        in_string = in_string != (c == '"');
        at += in_string && c == '\\' ? 2 : 1; /* what is escaped ends no string */
    }
    return whole;
}
