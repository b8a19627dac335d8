/* The events that have settings, page by page. */
#include "rsvpd/http/event_list.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/paging.h"
#include "rsvpd/http/settings.h"
#include "rsvpd/http/submission.h"

enum { HEAD_SIZE_BYTES = PAGE_TOKEN_SIZE_BYTES + 64 };

static const struct listing listing = {
    &relations[RELATION_RSVP], OPERATION_LIST_EVENTS, {.size = 0}};

/* One more was asked for, to know whether there is more. */
static void answer_events(struct request *request, const struct operation *operation)
{
    const struct page *page = operation_listing(operation)->page;
    size_t page_size = operation_listing(operation)->page_size - 1;
    size_t lines = page->size > page_size ? page_size : page->size;
    struct text body =
        request_text(request, HEAD_SIZE_BYTES + lines * (SETTINGS_SIZE_MAX_BYTES + 1));
    struct json_writer json = json_writer_over(&body);
    json_write_object_begin(&json, NULL);
    json_write_array_begin(&json, "events");
    for (size_t i = 0; i < lines; i++) {
        json_write_object_begin(&json, NULL);
        settings_write(&json, &page->lines[i].id, &page->events[i]);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    if (page->size > lines) {
        char token[PAGE_TOKEN_SIZE_BYTES];
        if (!page_token_make(request->context->page_token_key, &listing, &page->lines[lines - 1].id,
                             token)) {
            answer_problem(request, PROBLEM_INTERNAL, NULL);
            return;
        }
        paging_write_next(request, &json, token, page_size);
    }
    json_write_object_end(&json);
    if (answer_json(request, 200, &json)) {
        answer_add_header(request, "Cache-Control", "private, no-cache");
        answer_allow_compression(request);
    }
}

static void events_done(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct request *request = operation->owner;
    (void)now_us;
    if (submission_done(request, outcome)) {
        answer_events(request, operation);
    }
    context_answered(request);
}

void handle_events(struct request *request)
{
    struct identifier after = {.size = 0};
    struct slice token;
    size_t page_size;
    if (!paging_read(request, &page_size, &token)) {
        return;
    }
    if (token.data != NULL &&
        !paging_accept(
            request, page_token_parse(request->context->page_token_key, &listing, token, &after))) {
        return;
    }
    struct operation *operation = submission_take(request, OPERATION_LIST_EVENTS, events_done);
    if (operation == NULL) {
        answer_problem(request, PROBLEM_OVERLOADED, NULL);
        return;
    }
    operation_listing(operation)->page_size = page_size + 1;
    operation_listing(operation)->after = after;
    submission_send(request, operation);
}
