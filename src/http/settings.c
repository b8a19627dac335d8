/* The settings of an event. */
#include "rsvpd/http/settings.h"
#include "rsvpd/base/rfc3339.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/body.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/precondition.h"
#include "rsvpd/http/route.h"
#include "rsvpd/http/submission.h"

#include <stdlib.h>

enum { BODY_SIZE_BYTES = IDENTIFIER_SIZE_MAX_BYTES + 448 };

/* ---- the body that asks for settings ---- */

/* Null stands for an absent one everywhere. False where the value is not as `what` says. */
typedef bool parse_member_fn(struct settings *settings, const json_t *value);

/* A number without a fraction is whole however it is written: 100, 100.0, 1e2. */
static bool parse_capacity(struct settings *settings, const json_t *value)
{
    double number = json_number_value(value);
    settings->limited = !json_is_null(value);
    if (settings->limited &&
        !(json_is_number(value) && number >= 0 && number <= (double)SETTINGS_CAPACITY_MAX)) {
        return false;
    }
    settings->capacity = (int64_t)number;
    return (double)settings->capacity == number;
}

static bool parse_waitlist(struct settings *settings, const json_t *value)
{
    settings->waitlist = json_is_true(value);
    return json_is_boolean(value) || json_is_null(value);
}

static bool parse_time(const json_t *value, bool *given, int64_t *unix_us)
{
    *given = !json_is_null(value);
    return !*given || (json_is_string(value) && rfc3339_parse(slice_make(json_string_value(value),
                                                                         json_string_length(value)),
                                                              unix_us));
}

static bool parse_opens_at(struct settings *settings, const json_t *value)
{
    return parse_time(value, &settings->opens, &settings->opens_at_us);
}

static bool parse_closes_at(struct settings *settings, const json_t *value)
{
    return parse_time(value, &settings->closes, &settings->closes_at_us);
}

static const struct {
    const char *name;
    parse_member_fn *take;
    const char *what;
} members[] = {
    {"capacity", parse_capacity, "a whole number from 0 to 1000000000, or null for no limit"},
    {"waitlist", parse_waitlist, "true or false"},
    {"opens_at", parse_opens_at, "a time such as 2026-12-01T00:00:00.000Z (RFC 3339), or null"},
    {"closes_at", parse_closes_at, "a time such as 2026-12-01T00:00:00.000Z (RFC 3339), or null"},
};
enum { MEMBERS = sizeof members / sizeof members[0] };

static bool parse_member(struct request *request, struct settings *settings, const char *name,
                         const json_t *value)
{
    size_t i = 0;
    while (i < MEMBERS && strcmp(members[i].name, name) != 0) {
        i++;
    }
    if (i == MEMBERS) {
        answer_problem_format(request, PROBLEM_UNKNOWN_FIELD,
                              "the body has the member '%.64s'; known: capacity, waitlist, "
                              "opens_at, closes_at",
                              name);
        return false;
    }
    if (json_is_object(value) || json_is_array(value)) {
        answer_problem_format(request, PROBLEM_INVALID_JSON, "%s in the body must be %s",
                              members[i].name, members[i].what);
        return false;
    }
    if (!members[i].take(settings, value)) {
        answer_problem_format(request, PROBLEM_INVALID_PARAMETER, "%s in the body must be %s",
                              members[i].name, members[i].what);
        return false;
    }
    return true;
}

static bool parse_settings(struct request *request, struct settings *settings)
{
    *settings = (struct settings){.limited = false};
    json_t *body = body_parse(request, "{\"capacity\":500,\"waitlist\":true}");
    bool good = body != NULL;
    const char *name;
    json_t *value;
    json_object_foreach(body, name, value)
    {
        good = good && parse_member(request, settings, name, value);
    }
    json_decref(body);
    return good;
}

/* ---- the answer ---- */

static void write_number(struct json_writer *body, const char *name, bool given, int64_t number)
{
    if (given) {
        json_write_int(body, name, number);
    } else {
        json_write_null(body, name);
    }
}

static void write_time(struct json_writer *body, const char *name, bool given, int64_t unix_us)
{
    if (given) {
        json_write_time(body, name, unix_us);
    } else {
        json_write_null(body, name);
    }
}

static void add_tag(struct request *request, const struct settings *settings)
{
    struct text tag = request_text(request, SETTINGS_TAG_SIZE_MAX_BYTES + 3);
    text_add_cstr(&tag, "\"");
    precondition_add_tag(&tag, settings);
    text_add(&tag, slice_make("\"", 2)); /* with the zero that ends it */
    if (!tag.truncated) {
        answer_add_header(request, "ETag", tag.data);
    }
}

static void answer_settings(struct request *request, const struct operation *operation)
{
    const struct settings *settings = &operation_settings(operation)->found;
    int64_t left = settings->capacity - operation->count.value;
    bool goes_on =
        operation->kind != OPERATION_SETTINGS && operation_settings(operation)->incomplete;
    struct text body = request_text(request, BODY_SIZE_BYTES);
    struct json_writer json = json_writer_over(&body);
    json_write_object_begin(&json, NULL);
    json_write_string(&json, operation->relation->id_member, identifier_slice(&operation->entity));
    write_number(&json, "capacity", settings->limited, settings->capacity);
    json_write_bool(&json, "waitlist", settings->waitlist);
    write_time(&json, "opens_at", settings->opens, settings->opens_at_us);
    write_time(&json, "closes_at", settings->closes, settings->closes_at_us);
    json_write_int(&json, operation->relation->count_member, operation->count.value);
    json_write_int(&json, "waitlist_count", operation_settings(operation)->waiting_count);
    write_number(&json, "remaining", settings->limited, left > 0 ? left : 0);
    if (goes_on) {
        json_write_bool(&json, "complete", false);
    }
    json_write_object_end(&json);
    if (!answer_json(request, goes_on ? 202 : 200, &json)) {
        return;
    }
    answer_add_header(request, "Cache-Control", "no-cache");
    if (operation->kind != OPERATION_CLEAR_SETTINGS) {
        add_tag(request, settings);
    }
}

static void settings_done(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct request *request = operation->owner;
    (void)now_us;
    if (submission_done(request, outcome)) {
        answer_settings(request, operation);
    }
    context_answered(request);
}

/* Takes the precondition over. */
static void submit(struct request *request, enum operation_kind kind,
                   const struct settings *settings, struct precondition *precondition)
{
    struct operation *operation = submission_take(request, kind, settings_done);
    if (operation == NULL) {
        free(precondition);
        answer_problem(request, PROBLEM_OVERLOADED, NULL);
        return;
    }
    operation_settings(operation)->wanted = *settings;
    operation_settings(operation)->precondition = precondition;
    submission_send(request, operation);
}

void handle_settings(struct request *request)
{
    const struct settings none = {.limited = false};
    submit(request, OPERATION_SETTINGS, &none, NULL);
}

void handle_configure(struct request *request)
{
    struct settings settings;
    struct precondition *precondition;
    if (parse_settings(request, &settings) && precondition_find(request, &precondition)) {
        submit(request, OPERATION_STORE_SETTINGS, &settings, precondition);
    }
}

/* Takes no body; one without members says nothing, either. */
static bool body_is_empty(struct request *request)
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

void handle_release(struct request *request)
{
    const struct settings none = {.limited = false};
    struct precondition *precondition;
    if (body_is_empty(request) && precondition_find(request, &precondition)) {
        submit(request, OPERATION_CLEAR_SETTINGS, &none, precondition);
    }
}
