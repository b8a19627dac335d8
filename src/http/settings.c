/* The settings of an event. */
#include "rsvpd/http/settings.h"
#include "rsvpd/base/json_number.h"
#include "rsvpd/base/rfc3339.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/body.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/precondition.h"
#include "rsvpd/http/route.h"
#include "rsvpd/http/submission.h"

#include <inttypes.h>
#include <stdlib.h>

enum { BODY_SIZE_BYTES = SETTINGS_SIZE_MAX_BYTES + 32 };

/* ---- the body that asks for settings ---- */

/* A number without a fraction is whole however it is written: 100, 100.0, 1e2. */
static bool parse_whole(const json_t *json, int64_t max, int64_t *number)
{
    double given = json_number_value(json);
    if (!json_is_number(json) || !(given >= 0 && given <= (double)max)) {
        return false;
    }
    *number = (int64_t)given;
    return (double)*number == given;
}

/* Null stands for an absent one everywhere. False where it is not as must_be says. */
static bool parse_value(const struct setting_row *row, const json_t *json,
                        struct setting_value *value)
{
    *value = (struct setting_value){.given = !json_is_null(json)};
    if (!value->given) {
        return true;
    }
    switch (row->type) {
    case SETTING_NUMBER:
        return parse_whole(json, row->max, &value->number);
    case SETTING_FLAG:
        value->number = json_is_true(json);
        return json_is_boolean(json);
    case SETTING_TIME:
        return json_is_string(json) &&
               rfc3339_parse(slice_make(json_string_value(json), json_string_length(json)),
                             &value->number);
    }
    return false;
}

static void answer_must_be(struct request *request, enum problem problem,
                           const struct setting_row *row)
{
    switch (row->type) {
    case SETTING_NUMBER:
        answer_problem_format(request, problem,
                              "%s in the body must be a whole number from 0 to %" PRId64
                              ", or null for no limit",
                              row->name, row->max);
        return;
    case SETTING_FLAG:
        answer_problem_format(request, problem, "%s in the body must be true or false", row->name);
        return;
    case SETTING_TIME:
        answer_problem_format(request, problem,
                              "%s in the body must be a time such as 2026-12-01T00:00:00.000Z (RFC "
                              "3339), or null",
                              row->name);
        return;
    }
}

static bool parse_member(struct request *request, struct settings *settings, const char *name,
                         const json_t *json)
{
    static const char names[] = SETTINGS_NAMES;
    struct setting_value value;
    enum setting setting = 0;
    while (setting < SETTING_COUNT && strcmp(setting_rows[setting].name, name) != 0) {
        setting++;
    }
    if (setting == SETTING_COUNT) {
        answer_problem_format(request, PROBLEM_UNKNOWN_FIELD,
                              "the body has the member '%.64s'; known: %s", name,
                              names + strlen(", "));
        return false;
    }
    if (json_is_object(json) || json_is_array(json)) {
        answer_must_be(request, PROBLEM_INVALID_JSON, &setting_rows[setting]);
        return false;
    }
    if (!parse_value(&setting_rows[setting], json, &value) ||
        (json_is_real(json) &&
         !json_numbers_are_whole(slice_make(request->body, request->body_size)))) {
        answer_must_be(request, PROBLEM_INVALID_PARAMETER, &setting_rows[setting]);
        return false;
    }
    settings_set(settings, setting, value);
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
    if (good && !settings_window_is_sound(settings)) {
        answer_problem(request, PROBLEM_INVALID_PARAMETER,
                       "opens_at in the body must be before closes_at");
        return false;
    }
    return good;
}

/* ---- the answer ---- */

static void write_setting(struct json_writer *body, const struct setting_row *row,
                          struct setting_value value)
{
    if (!value.given) {
        json_write_null(body, row->name);
        return;
    }
    switch (row->type) {
    case SETTING_NUMBER:
        json_write_int(body, row->name, value.number);
        return;
    case SETTING_FLAG:
        json_write_bool(body, row->name, value.number != 0);
        return;
    case SETTING_TIME:
        json_write_time(body, row->name, value.number);
        return;
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

void settings_write(struct json_writer *json, const struct identifier *event,
                    const struct event_state *state)
{
    const struct relation *relation = &relations[RELATION_RSVP];
    int64_t taken = state->count < 0 ? 0 : state->count;
    int64_t left = state->settings.capacity - taken;
    json_write_string(json, relation->id_member, identifier_slice(event));
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        write_setting(json, &setting_rows[i], settings_get(&state->settings, i));
    }
    json_write_int(json, relation->count_member, state->count);
    json_write_int(json, "waitlist_count", state->waiting_count);
    if (state->settings.limited) {
        json_write_int(json, "remaining", left > 0 ? left : 0);
    } else {
        json_write_null(json, "remaining");
    }
}

static void answer_settings(struct request *request, const struct operation *operation)
{
    const struct settings *settings = &operation_settings(operation)->found;
    const struct event_state state = {*settings, operation_settings(operation)->waiting_count,
                                      operation->count.value};
    bool goes_on =
        operation->kind != OPERATION_SETTINGS && operation_settings(operation)->incomplete;
    struct text body = request_text(request, BODY_SIZE_BYTES);
    struct json_writer json = json_writer_over(&body);
    json_write_object_begin(&json, NULL);
    settings_write(&json, &operation->entity, &state);
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

void handle_release(struct request *request)
{
    const struct settings none = {.limited = false};
    struct precondition *precondition;
    if (body_is_empty(request) && precondition_find(request, &precondition)) {
        submit(request, OPERATION_CLEAR_SETTINGS, &none, precondition);
    }
}
