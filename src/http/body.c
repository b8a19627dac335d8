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

bool body_is_empty(struct request *request)
{
    if (request->body_size == 0) {
        return true;
    }
    json_t *body = body_parse(request, "{}");
    bool empty = json_object_size(body) == 0;
    if (body != NULL && !empty) {
        answer_problem_format(request, PROBLEM_UNKNOWN_FIELD,
                              "the body has the member '%.64s', but none is known here",
                              json_object_iter_key(json_object_iter(body)));
    }
    bool good = body != NULL && empty;
    json_decref(body);
    return good;
}
