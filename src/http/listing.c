/* Listings, and answers about many at once.
 *
 * DESIGN: Many at once is many operations of the kind that one would be, so they gather into
 * batches with everybody else's; the last one to end makes the answer. */
#include "rsvpd/http/listing.h"
#include "rsvpd/base/config.h"
#include "rsvpd/domain/page_token.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/handlers.h"
#include "rsvpd/http/paging.h"
#include "rsvpd/http/query.h"
#include "rsvpd/http/route.h"
#include "rsvpd/http/submission.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    HEAD_SIZE_BYTES = IDENTIFIER_SIZE_MAX_BYTES + PAGE_TOKEN_SIZE_BYTES + 64, /* all but lines */
    LINE_SIZE_BYTES = 128, /* beyond its identifier */
};

static_assert(2 * HANDLE_MANY_MAX < CONFIG_PENDING_PER_WORKER_MIN,
              "many counts and their loads fit the smallest limit on what waits");

/* Which way a listing goes: from an entity to its users, or from a user to its entities. */
struct direction {
    enum operation_kind list_kind;
    const char *many_parameter; /* repeated in the query, instead of paging */
    const char *of_member;      /* of the body: what the listing is of */
    const struct identifier *of;
    const char *array_member;
    const char *line_member;
};

static struct direction direction_of(const struct request *request, enum operation_kind list_kind)
{
    const struct relation *relation = request->route->relation;
    if (list_kind != OPERATION_LIST_ENTITIES) {
        return (struct direction){list_kind,        "user_id", relation->id_member,
                                  &request->entity, "users",   "user_id"};
    }
    return (struct direction){OPERATION_LIST_ENTITIES, relation->id_member,  "user_id",
                              &request->user,          relation->collection, relation->id_member};
}

/* One asked for of many, and what came out. */
struct item {
    struct identifier id;
    bool member;
    int64_t created_at_us;
    struct count count;
};

/* The many of one request, in its arena. */
struct many {
    size_t size;
    size_t pending;       /* operations that have not ended */
    enum outcome outcome; /* OUTCOME_DONE, or how the first that failed did */
    void (*answer)(struct request *request, const struct many *many);
    struct item items[];
};

/* ---- bodies ---- */

static void write_line(struct json_writer *body, const char *member, const struct identifier *id,
                       int64_t created_at_us)
{
    json_write_object_begin(body, NULL);
    json_write_string(body, member, identifier_slice(id));
    json_write_time(body, "created_at", created_at_us);
    json_write_object_end(body);
}

/* Opens the object and its array of lines. */
static void begin_body(struct json_writer *body, const struct direction *direction)
{
    json_write_object_begin(body, NULL);
    json_write_string(body, direction->of_member, identifier_slice(direction->of));
    json_write_array_begin(body, direction->array_member);
}

/* Room for so many lines; `ids_size`: the bytes of all identifiers in them. */
static struct text body_text(struct request *request, size_t lines, size_t ids_size)
{
    return request_text(request, HEAD_SIZE_BYTES + lines * LINE_SIZE_BYTES + ids_size);
}

static void answer_body(struct request *request, const struct json_writer *body,
                        const char *cache_control)
{
    if (answer_json(request, 200, body)) {
        answer_add_header(request, "Cache-Control", cache_control);
        answer_allow_compression(request);
    }
}

/* ---- pages ---- */

/* What a page ends with, as its token holds it: waiting lists are in the order of tickets. */
static struct identifier end_of(const struct page_line *line)
{
    char digits[24];
    struct identifier end = line->id;
    if (line->ticket > 0) {
        snprintf(digits, sizeof digits, "%lld", (long long)line->ticket);
        bool valid = identifier_parse(slice_of(digits), &end);
        assert(valid); /* digits are */
    }
    return end;
}

static void answer_page(struct request *request, const struct operation *operation)
{
    struct direction direction = direction_of(request, operation->kind);
    const struct page *page = operation_listing(operation)->page;
    /* One more was asked for, to know whether there is more. */
    size_t page_size = operation_listing(operation)->page_size - 1;
    bool more = page->size > page_size;
    size_t lines = more ? page_size : page->size;
    size_t ids_size = 0;
    for (size_t i = 0; i < lines; i++) {
        ids_size += page->lines[i].id.size;
    }
    struct text body = body_text(request, lines, ids_size);
    struct json_writer json = json_writer_over(&body);
    begin_body(&json, &direction);
    for (size_t i = 0; i < lines; i++) {
        write_line(&json, direction.line_member, &page->lines[i].id, page->lines[i].created_at_us);
    }
    json_write_array_end(&json);
    if (more) {
        struct listing listing = {request->route->relation, direction.list_kind, *direction.of};
        char token[PAGE_TOKEN_SIZE_BYTES];
        struct identifier end = end_of(&page->lines[lines - 1]);
        if (!page_token_make(request->context->page_token_key, &listing, &end, token)) {
            answer_problem(request, PROBLEM_INTERNAL, NULL);
            return;
        }
        paging_write_next(request, &json, token, page_size);
    }
    json_write_object_end(&json);
    answer_body(request, &json, "private, no-cache");
}

static void page_done(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct request *request = operation->owner;
    (void)now_us;
    if (submission_done(request, outcome)) {
        answer_page(request, operation);
    }
    context_answered(request);
}

static void handle_page(struct request *request, const struct direction *direction)
{
    struct listing listing = {request->route->relation, direction->list_kind, *direction->of};
    struct identifier after = {.size = 0};
    struct slice token;
    size_t page_size;
    if (!paging_read(request, &page_size, &token)) {
        return;
    }
    enum problem problem = token.data == NULL ? PROBLEM_NONE
                                              : page_token_parse(request->context->page_token_key,
                                                                 &listing, token, &after);
    if (!paging_accept(request, problem)) {
        return;
    }
    struct operation *operation = submission_take(request, direction->list_kind, page_done);
    if (operation == NULL) {
        answer_problem(request, PROBLEM_OVERLOADED, NULL);
        return;
    }
    struct operation_listing *asked = operation_listing(operation);
    if (direction->list_kind == OPERATION_LIST_WAITING) {
        char digits[24]; /* the token is ours: it held no more, or nothing */
        snprintf(digits, sizeof digits, "%.*s", (int)after.size, after.data);
        asked->after_ticket = strtoll(digits, NULL, 10);
    }
    asked->after = after;
    asked->page_size = page_size + 1;
    submission_send(request, operation);
}

/* ---- many ---- */

static void one_done(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct request *request = operation->owner;
    struct many *many = request->many;
    struct item *item = &many->items[operation->owner_index];
    (void)now_us;
    if (operation_is_membership(operation)) {
        item->member = operation_membership(operation)->member;
        item->created_at_us = operation_membership(operation)->created_at_us;
    }
    item->count = operation->count;
    many->outcome = many->outcome != OUTCOME_DONE ? many->outcome : outcome;
    assert(many->pending > 0);
    if (--many->pending > 0) {
        return;
    }
    if (submission_done(request, many->outcome)) {
        many->answer(request, many);
    }
    context_answered(request);
}

/* One operation for each identifier. `about_users` says which of its two names each fills in. */
static void handle_many(struct request *request, const struct identifier *ids, size_t size,
                        enum operation_kind kind, bool about_users, int64_t not_before_us,
                        void (*answer)(struct request *, const struct many *))
{
    struct operation *operations[HANDLE_MANY_MAX];
    struct many *many = arena_take(&request->arena, sizeof *many + size * sizeof many->items[0]);
    size_t taken = 0;
    while (many != NULL && taken < size &&
           (operations[taken] = submission_take(request, kind, one_done)) != NULL) {
        taken++;
    }
    if (many == NULL || taken < size) {
        for (size_t i = 0; i < taken; i++) {
            submission_give_back(request, operations[i]);
        }
        answer_problem(request, many == NULL ? PROBLEM_INTERNAL : PROBLEM_OVERLOADED, NULL);
        return;
    }
    *many = (struct many){.size = size, .pending = size, .answer = answer};
    request->many = many;
    for (size_t i = 0; i < size; i++) {
        many->items[i] = (struct item){.id = ids[i]};
        operations[i]->owner_index = i;
        *(about_users ? &operations[i]->user : &operations[i]->entity) = ids[i];
        if (kind == OPERATION_COUNT) {
            operation_freshness(operations[i])->not_before_us = not_before_us;
        }
        submission_send(request, operations[i]);
    }
}

/* Which way a listing goes that the path names: it is of an entity, or of a user. */
static enum operation_kind list_kind(const struct request *request)
{
    return request->entity.size > 0 ? OPERATION_LIST_USERS : OPERATION_LIST_ENTITIES;
}

static size_t ids_size(const struct many *many)
{
    size_t size = 0;
    for (size_t i = 0; i < many->size; i++) {
        size += many->items[i].id.size;
    }
    return size;
}

static void answer_found(struct request *request, const struct many *many)
{
    struct direction direction = direction_of(request, list_kind(request));
    struct text body = body_text(request, many->size, ids_size(many));
    struct json_writer json = json_writer_over(&body);
    begin_body(&json, &direction);
    for (size_t i = 0; i < many->size; i++) {
        if (many->items[i].member) {
            write_line(&json, direction.line_member, &many->items[i].id,
                       many->items[i].created_at_us);
        }
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    answer_body(request, &json, "private, no-cache");
}

/* Either a page, or which of those that the query names. */
void handle_listing(struct request *request)
{
    struct direction direction = direction_of(request, list_kind(request));
    struct identifier *ids;
    struct slice page_size, page_token;
    size_t size;
    if (!query_identifiers(request, direction.many_parameter, HANDLE_MANY_MAX, &ids, &size)) {
        return;
    }
    if (size == 0) {
        handle_page(request, &direction);
        return;
    }
    if (!query_value(request, "page_size", &page_size) ||
        !query_value(request, "page_token", &page_token)) {
        return;
    }
    if (page_size.data != NULL || page_token.data != NULL) {
        answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                              "'%s' in the query names whom to look for: page_size and page_token "
                              "do not go with it",
                              direction.many_parameter);
        return;
    }
    handle_many(request, ids, size, OPERATION_FIND, direction.list_kind == OPERATION_LIST_USERS, 0,
                answer_found);
}

void handle_waitlist(struct request *request)
{
    struct direction direction = direction_of(request, OPERATION_LIST_WAITING);
    handle_page(request, &direction);
}

static void answer_counts(struct request *request, const struct many *many)
{
    struct text body = body_text(request, many->size, ids_size(many));
    struct json_writer json = json_writer_over(&body);
    json_write_object_begin(&json, NULL);
    json_write_array_begin(&json, "counts");
    for (size_t i = 0; i < many->size; i++) {
        answer_write_count(&json, request->route->relation, &many->items[i].id,
                           &many->items[i].count);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    answer_body(request, &json, answer_count_caching(request));
}

void handle_counts(struct request *request)
{
    const char *parameter = request->route->relation->id_member;
    struct identifier *ids;
    size_t size;
    int64_t not_before_us;
    if (query_some_identifiers(request, parameter, HANDLE_MANY_MAX, &ids, &size) &&
        handle_count_bound(request, &not_before_us)) {
        handle_many(request, ids, size, OPERATION_COUNT, false, not_before_us, answer_counts);
    }
}
