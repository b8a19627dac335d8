/* All that is held about a user, page by page.
 *
 * DESIGN: It is a list of listings, one after the other: the places on waiting lists, what the user
 * is a member of, the kept answers. A page goes on in the next listing where one ends. A user who
 * moves from a waiting list to the members meanwhile is in the export, perhaps twice. */
#include "rsvpd/http/export.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/paging.h"
#include "rsvpd/http/submission.h"

#include <assert.h>
#include <stdlib.h>

enum {
    HEAD_SIZE_BYTES = IDENTIFIER_SIZE_MAX_BYTES + PAGE_TOKEN_SIZE_BYTES + 64,
    LINE_SIZE_BYTES = IDENTIFIER_SIZE_MAX_BYTES + 128,
    /* Each byte of the key and of the action may be escaped. */
    KEPT_SIZE_BYTES = 2 * (IDEMPOTENCY_KEY_SIZE_MAX_BYTES + ACTION_SIZE_MAX_BYTES) + 192,
};

/* The listings, in their order. */
static const struct part {
    enum operation_kind list_kind;
    enum relation_id relation;
    const char *kind; /* of its items */
} parts[] = {
    {OPERATION_LIST_WAITS, RELATION_RSVP, "waitlist"},
#define MEMBERSHIPS(ID, name, ...) {OPERATION_LIST_ENTITIES, RELATION_##ID, name},
    RELATIONS(MEMBERSHIPS)
#undef MEMBERSHIPS
        {OPERATION_LIST_KEPT, RELATION_RSVP, "idempotency_key"}, /* of all: they share a table */
};
enum { PARTS = sizeof parts / sizeof parts[0] };

/* A page of an export, in its request's arena. */
struct export
{
    struct request *request;
    struct export_end after;   /* what it follows, and in which part it goes on */
    size_t page_size;          /* one more is asked for, to know whether there is more */
    size_t lines;              /* that have come */
    struct page *pages[PARTS]; /* NULL: not asked for */
};

static void free_pages(struct export *export)
{
    for (size_t i = 0; i < PARTS; i++) {
        free(export->pages[i]);
        export->pages[i] = NULL;
    }
}

static void write_kept(struct json_writer *json, const struct page *page, size_t line)
{
    const struct kept_answer *kept = &page->kept[line];
    json_write_string(json, "key", idempotency_key_slice(&kept->key));
    json_write_string(json, "action", slice_make(kept->action, kept->action_size));
    json_write_string(json, "entity_id", identifier_slice(&page->lines[line].id));
    json_write_bool(json, "changed", kept->changed);
    json_write_int(json, "count", kept->count);
    json_write_int(json, "waitlist_position", kept->position);
    json_write_time(json, "expires_at", page->lines[line].created_at_us);
}

static void write_item(struct json_writer *json, const struct part *part, const struct page *page,
                       size_t line)
{
    json_write_object_begin(json, NULL);
    json_write_string(json, "kind", slice_of(part->kind));
    if (part->list_kind == OPERATION_LIST_KEPT) {
        write_kept(json, page, line);
    } else {
        json_write_string(json, relations[part->relation].id_member,
                          identifier_slice(&page->lines[line].id));
        json_write_time(json, "created_at", page->lines[line].created_at_us);
    }
    json_write_object_end(json);
}

/* Where the page that had this line last ends. */
static struct export_end end_at(size_t part, const struct page *page, size_t line)
{
    struct slice last = parts[part].list_kind == OPERATION_LIST_KEPT
                            ? idempotency_key_slice(&page->kept[line].key)
                            : identifier_slice(&page->lines[line].id);
    struct export_end end = {.part = (uint8_t)part, .size = (uint8_t)last.size};
    memcpy(end.data, last.data, last.size);
    return end;
}

/* Writes as many lines as a page has; sets where it ends. */
static void write_items(struct json_writer *json, const struct export *export,
                        struct export_end *end)
{
    size_t written = 0;
    for (size_t i = 0; i < PARTS; i++) {
        const struct page *page = export->pages[i];
        for (size_t line = 0; page != NULL && line < page->size && written < export->page_size;
             line++) {
            write_item(json, &parts[i], page, line);
            *end = end_at(i, page, line);
            written++;
        }
    }
}

static size_t body_size(const struct export *export)
{
    size_t size = HEAD_SIZE_BYTES;
    for (size_t i = 0; i < PARTS; i++) {
        size_t lines = export->pages[i] == NULL ? 0 : export->pages[i]->size;
        size_t more = parts[i].list_kind == OPERATION_LIST_KEPT ? KEPT_SIZE_BYTES : 0;
        size += lines * (LINE_SIZE_BYTES + more);
    }
    return size;
}

static void answer_export(const struct export *export)
{
    struct request *request = export->request;
    struct export_end end = {.size = 0};
    struct text body = request_text(request, body_size(export));
    struct json_writer json = json_writer_over(&body);
    json_write_object_begin(&json, NULL);
    json_write_string(&json, "user_id", identifier_slice(&request->user));
    json_write_array_begin(&json, "items");
    write_items(&json, export, &end);
    json_write_array_end(&json);
    if (export->lines > export->page_size) {
        char token[PAGE_TOKEN_SIZE_BYTES];
        if (!page_token_make_export(request->context->page_token_key, &request->user, &end,
                                    token)) {
            answer_problem(request, PROBLEM_INTERNAL, NULL);
            return;
        }
        paging_write_next(request, &json, token, export->page_size);
    }
    json_write_object_end(&json);
    if (answer_json(request, 200, &json)) {
        answer_add_header(request, "Cache-Control", "private, no-cache");
        answer_allow_compression(request);
    }
}

static void end(struct export *export, enum outcome outcome)
{
    struct request *request = export->request;
    if (submission_done(request, outcome)) {
        answer_export(export);
    }
    free_pages(export);
}

static void listed(struct operation *operation, enum outcome outcome, int64_t now_us);

/* False where there is no operation to be had. */
static bool ask(struct export *export)
{
    const struct part *part = &parts[export->after.part];
    struct operation *operation = submission_take(export->request, part->list_kind, listed);
    if (operation == NULL) {
        return false;
    }
    struct operation_listing *listing = operation_listing(operation);
    operation->relation = &relations[part->relation];
    operation->owner = export;
    listing->page_size = export->page_size + 1 - export->lines;
    if (part->list_kind == OPERATION_LIST_KEPT) {
        listing->after_key.size = export->after.size;
        memcpy(listing->after_key.data, export->after.data, export->after.size);
    } else {
        assert(export->after.size <= sizeof listing->after.data);
        listing->after.size = export->after.size;
        memcpy(listing->after.data, export->after.data, export->after.size);
    }
    submission_send(export->request, operation);
    return true;
}

static void listed(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct export *export = operation->owner;
    struct operation_listing *listing = operation_listing(operation);
    (void)now_us;
    if (outcome == OUTCOME_DONE) {
        export->pages[export->after.part] = listing->page; /* ours from now on */
        export->lines += listing->page->size;
        listing->page = NULL;
        bool more = export->lines <= export->page_size && export->after.part + 1 < PARTS;
        if (more) {
            export->after = (struct export_end){.part = (uint8_t)(export->after.part + 1)};
            if (ask(export)) {
                return;
            }
            outcome = OUTCOME_OVERLOADED;
        }
    }
    end(export, outcome);
    context_answered(export->request);
}

void handle_export(struct request *request)
{
    struct export *export = arena_take(&request->arena, sizeof *export);
    struct slice token;
    if (export == NULL) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return;
    }
    *export = (struct export){.request = request};
    if (!paging_read(request, &export->page_size, &token)) {
        return;
    }
    if (token.data != NULL &&
        !paging_accept(request, page_token_parse_export(request->context->page_token_key,
                                                        &request->user, token, &export->after))) {
        return;
    }
    if (!ask(export)) {
        answer_problem(request, PROBLEM_OVERLOADED, NULL);
    }
}
