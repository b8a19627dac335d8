/* Events with settings under load. */
#include "load_event.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

void load_ask_settings(struct load_request *request, uint16_t port, const char *id,
                       const char *body)
{
    request->port = port;
    snprintf(request->target, sizeof request->target, "/v1/events/%s", id);
    snprintf(request->body, sizeof request->body, "%s", body != NULL ? body : "");
    request->method = body != NULL ? "PUT" : "DELETE";
}

static bool has_text(const json_t *json, const char *member, const char *text)
{
    const char *value = json_string_value(json_object_get(json, member));
    return value != NULL && strcmp(value, text) == 0;
}

static enum load_verdict read_refusal(const struct load_answer *answer, bool join)
{
    static const struct {
        const char *code;
        long status;
        enum load_verdict verdict;
        bool of_join_alone;
    } rows[] = {
        {"event-full", 409, VERDICT_FULL, true},
        {"rsvp-closed", 409, VERDICT_CLOSED, true},
        {"request-in-flight", 409, VERDICT_IN_FLIGHT, false},
        {"idempotency-key-reused", 422, VERDICT_KEY_REUSED, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (answer->status == rows[i].status && has_text(answer->json, "code", rows[i].code) &&
            (join || !rows[i].of_join_alone)) {
            return rows[i].verdict;
        }
    }
    return VERDICT_WRONG;
}

/* Status code, words, flag, members and position agree with each other, as the contract has them.
 */
static enum load_verdict read_success(const struct load_answer *answer, bool join, bool changed)
{
    static const struct {
        const char *status;
        enum load_verdict verdict;
        bool join;
        size_t members;
        long changed_code, unchanged_code;
    } rows[] = {
        {"going", VERDICT_GOING, true, 6, 201, 200},
        {"waitlisted", VERDICT_WAITS, true, 7, 202, 202},
        {"none", VERDICT_OUT, false, 6, 200, 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].join == join && has_text(answer->json, "status", rows[i].status) &&
            json_object_size(answer->json) == rows[i].members &&
            answer->status == (changed ? rows[i].changed_code : rows[i].unchanged_code) &&
            json_is_true(json_object_get(answer->json, "has_rsvped")) ==
                (rows[i].verdict == VERDICT_GOING)) {
            return rows[i].verdict;
        }
    }
    return VERDICT_WRONG;
}

struct load_event_write load_read_event_write(const struct load_exchange *exchange, bool join,
                                              const char *id, const char *user)
{
    const struct load_answer *answer = exchange->answer;
    const json_t *changed = json_object_get(answer->json, "changed");
    const json_t *count = json_object_get(answer->json, "rsvp_count");
    struct load_event_write write = {
        .changed = json_is_true(changed),
        .count = json_integer_value(count),
        .position = json_integer_value(json_object_get(answer->json, "waitlist_position")),
    };
    if (changed == NULL) {
        write.verdict = read_refusal(answer, join);
    } else if (json_is_boolean(changed) && json_is_integer(count) && write.count >= 0 &&
               has_text(answer->json, "event_id", id) && has_text(answer->json, "user_id", user)) {
        write.verdict = read_success(answer, join, write.changed);
    }
    if (write.verdict == VERDICT_WRONG || (write.verdict == VERDICT_WAITS && write.position < 1)) {
        write.verdict = VERDICT_WRONG;
        load_exchange_violation(exchange, "the contract has no such answer");
    }
    return write;
}
