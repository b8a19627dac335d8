/* Erases everything that is held about a user. */
#include "rsvpd/http/erasure.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/body.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/submission.h"

enum { BODY_SIZE_BYTES = IDENTIFIER_SIZE_MAX_BYTES + 512, RETRY_AFTER_S = 1 };

static void answer_erased(struct request *request, const struct operation *operation)
{
    const struct operation_erasure *erasure = operation_erasure(operation);
    struct text body = request_text(request, BODY_SIZE_BYTES);
    struct json_writer json = json_writer_over(&body);
    json_write_object_begin(&json, NULL);
    json_write_string(&json, "user_id", identifier_slice(&operation->user));
    json_write_object_begin(&json, "erased");
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        json_write_int(&json, relations[i].members_table, erasure->memberships_erased[i]);
    }
    json_write_int(&json, "waitlist", erasure->waits_erased);
    json_write_int(&json, "idempotency_keys", erasure->keys_erased);
    json_write_object_end(&json);
    json_write_bool(&json, "complete", erasure->complete);
    json_write_object_end(&json);
    if (answer_json(request, erasure->complete ? 200 : 202, &json)) {
        answer_add_header(request, "Cache-Control", "no-store");
        if (!erasure->complete) {
            answer_retry_after(request, RETRY_AFTER_S);
        }
    }
}

static void erase_done(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct request *request = operation->owner;
    (void)now_us;
    if (submission_done(request, outcome)) {
        answer_erased(request, operation);
    }
    context_answered(request);
}

void handle_erase(struct request *request)
{
    if (!body_is_empty(request)) {
        return;
    }
    struct operation *operation = submission_take(request, OPERATION_ERASE, erase_done);
    if (operation == NULL) {
        answer_problem(request, PROBLEM_OVERLOADED, NULL);
        return;
    }
    submission_send(request, operation);
}
