/* A request through the gate and the handlers without a server. Stands in for the object of
 * service/service, which the linker therefore leaves out. */
#include "exchange.h"
#include "fuzz.h"

#include "rsvpd/base/mac.h"
#include "rsvpd/http/addresses.h"
#include "rsvpd/http/connection.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/count_stream.h"
#include "rsvpd/http/gate.h"
#include "rsvpd/http/handlers.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/routes.h"
#include "rsvpd/service/service.h"

#include <stdio.h>
#include <stdlib.h>

enum { LINES_MAX = 4, CREATED_AT_US = 1763806530123456, TICKET = 77, COUNT = 7 };

static const unsigned char key[MAC_KEY_SIZE_BYTES] = "a key of thirty-two bytes, no le";
static struct exchange *current; /* the one that runs */

/* ---- the server ---- */

static void health(void *process, struct http_health *out)
{
    (void)process;
    *out = (struct http_health){
        .alive = true, .postgres = {.configured = true, .up = true}, .keys_here = true};
}

static void metrics(void *process, struct text *out)
{
    (void)process;
    text_add_cstr(out, "up 1\n");
}

static void answered(void *unused, struct request *request)
{
    (void)unused;
    assert(request->phase == REQUEST_ANSWERED);
}

static void woken(void *unused, struct request *request)
{
    (void)unused;
    assert(request == &current->request);
}

static struct random names;
static struct stream_limit streams = {.max = 1};
static struct addresses addresses; /* without a limit */
static struct connection client;
static struct metrics counted;
static struct http_context context = {
    .routes = &routes,
    .now_us = clock_mono_us,
    .process = {.health = health, .metrics = metrics},
    .page_token_key = key,
    .random = &names,
    .answered = answered,
    .woken = woken,
    .metrics = &counted,
    .streams = &streams,
    .addresses = &addresses,
};

/* ---- the service ---- */

struct operation *service_take(struct service *service)
{
    (void)service;
    assert(current->taken < EXCHANGE_OPERATIONS_MAX);
    struct operation *operation = &current->operations[current->taken++];
    *operation = (struct operation){.kind = OPERATION_ADD};
    return operation;
}

void service_give_back(struct service *service, struct operation *operation)
{
    (void)service;
    (void)operation;
    assert(false && "only a service that is full has any given back");
}

void service_submit(struct service *service, struct operation *operation, int64_t now_us)
{
    (void)service;
    (void)now_us;
    assert(operation == &current->operations[current->submitted]);
    current->submitted++;
}

int64_t service_count_bound_us(int64_t max_stale_ms, int64_t cache_us)
{
    assert(max_stale_ms >= 0 && max_stale_ms <= 5000 && cache_us >= 0);
    return max_stale_ms * 1000;
}

/* ---- counts that are watched ---- */

static struct hub hub;

static bool watch(void *unused, struct hub_topic *topic)
{
    struct identifier again;
    (void)unused;
    assert(identifier_parse(identifier_slice(&topic->entity), &again));
    return true;
}

static void unwatch(void *unused, struct hub_topic *topic)
{
    (void)unused;
    (void)topic;
}

struct hub *service_hub(struct service *service)
{
    static const struct hub_source source = {.watch = watch, .unwatch = unwatch};
    (void)service;
    if (hub.write == NULL) {
        bool made = hub_init(&hub, &source, count_stream_write, &counted, HANDLE_MANY_MAX, 1, 0);
        assert(made);
    }
    return &hub;
}

/* Each entity gets a count, and the stream tells all of them, whole. */
static void run_stream(struct exchange *exchange)
{
    static char told[256 * 1024];
    const struct stream *stream = &exchange->request.answer.stream;
    const struct hash_table *topics = &hub.topics;
    const struct count count = {.value = COUNT, .version = 1, .as_of_wall_us = CREATED_AT_US};
    int64_t now_us = clock_mono_us();
    size_t events = 0;
    struct hash_node *node = NULL;
    while ((node = hash_table_next(topics, node)) != NULL) {
        hub_learn(&hub, list_entry(node, struct hub_topic, key), &count, now_us);
    }
    while (hub_end_iteration(&hub, now_us)) {
    }
    ssize_t size = stream->source->read(stream->state, told, sizeof told - 1);
    assert(size > 0 && size < (ssize_t)sizeof told - 1);
    told[size] = '\0';
    assert(strncmp(told, "retry: ", 7) == 0 && strcmp(told + size - 2, "\n\n") == 0);
    for (const char *at = told; (at = strstr(at, "\ndata: {")) != NULL; at++) {
        events++;
    }
    assert(events == topics->size || (events == 0 && topics->size == 1)); /* it knew that one */
    stream->source->close(stream->state);
    assert(hub.streams == 0 && topics->size == 0 && streams.open == 0);
}

/* ---- what is submitted ---- */

static void expect_identifier(const struct identifier *id, bool wanted)
{
    struct identifier again;
    bool valid = id->size > 0 && identifier_parse(identifier_slice(id), &again);
    assert(valid || (!wanted && id->size == 0));
}

static void expect_settings(const struct settings *settings)
{
    static const int64_t end_of_9999_us = 253402300800 * 1000000;
    assert(!settings->limited || (settings->capacity >= 0 && settings->capacity <= 1000000000));
    assert(!settings->opens ||
           (settings->opens_at_us >= 0 && settings->opens_at_us < end_of_9999_us));
    assert(!settings->closes ||
           (settings->closes_at_us >= 0 && settings->closes_at_us < end_of_9999_us));
}

static void expect_key(const struct idempotency_key *given)
{
    for (size_t i = 0; i < given->size; i++) {
        assert(given->data[i] >= ' ' && given->data[i] <= '~');
    }
}

static void expect_operation(const struct operation *operation)
{
    enum operation_kind kind = operation->kind;
    bool of_user_alone = kind == OPERATION_LIST_ENTITIES || kind == OPERATION_LIST_WAITS ||
                         kind == OPERATION_LIST_KEPT || kind == OPERATION_ERASE;
    bool of_user =
        operation_is_write(operation) || operation_is_membership(operation) || of_user_alone;
    assert(!operation_is_expiry(operation) && kind != OPERATION_CLAIM_PROMOTIONS);
    assert(operation->done != NULL);
    assert((operation->relation == NULL) == (kind == OPERATION_ERASE));
    expect_identifier(&operation->entity, !of_user_alone && kind != OPERATION_LIST_EVENTS);
    expect_identifier(&operation->user, of_user);
    if (operation_is_write(operation)) {
        expect_key(&operation_write(operation)->key);
    } else if (operation_is_listing(operation)) {
        const struct operation_listing *listing = operation_listing(operation);
        if (kind != OPERATION_LIST_KEPT) {
            expect_identifier(&listing->after, false);
        }
        assert(listing->page_size >= 2 && listing->page_size <= 1001);
    } else if (operation_is_settings(operation)) {
        const struct operation_settings *asked = operation_settings(operation);
        assert(kind != OPERATION_SETTINGS || asked->precondition == NULL);
        expect_settings(&asked->wanted);
    }
}

/* ---- what comes out ---- */

static struct page *make_page(const struct operation *operation)
{
    size_t wanted = operation_listing(operation)->page_size;
    size_t size = wanted < LINES_MAX ? wanted : LINES_MAX;
    size_t bare_size = sizeof(struct page) + size * sizeof(struct page_line);
    size_t details_size = sizeof(struct kept_answer) > sizeof(struct event_state)
                              ? sizeof(struct kept_answer)
                              : sizeof(struct event_state);
    struct page *page = calloc(1, bare_size + size * details_size);
    assert(page != NULL);
    void *details = (char *)page + bare_size;
    *page = (struct page){.size = size, .kept = details, .events = details};
    for (size_t i = 0; i < size; i++) {
        page->lines[i] = (struct page_line){
            .id = {2, {'u', (char)('0' + i)}},
            .created_at_us = CREATED_AT_US,
            .ticket = operation->kind == OPERATION_LIST_WAITING ? TICKET : 0,
        };
    }
    return page;
}

static void end_operation(struct operation *operation)
{
    operation->count = (struct count){.value = COUNT, .as_of_wall_us = CREATED_AT_US};
    if (operation_is_write(operation)) {
        operation_write(operation)->member = operation->kind == OPERATION_ADD;
        operation_write(operation)->changed = true;
    } else if (operation_is_membership(operation)) {
        operation_membership(operation)->member = true;
        operation_membership(operation)->created_at_us = CREATED_AT_US;
    } else if (operation_is_listing(operation)) {
        operation_listing(operation)->page = make_page(operation);
    } else if (operation_is_settings(operation)) {
        operation_settings(operation)->found = operation_settings(operation)->wanted;
    }
    operation->done(operation, OUTCOME_DONE, 0);
}

static void run_operations(struct exchange *exchange)
{
    assert(exchange->submitted == exchange->taken);
    for (size_t i = 0; i < exchange->submitted; i++) {
        assert(exchange->request.answer.status == 0);
        expect_operation(&exchange->operations[i]);
        end_operation(&exchange->operations[i]);
    }
    assert(exchange->submitted == 0 || exchange->request.phase == REQUEST_ANSWERED);
}

/* ---- what is answered ---- */

const char *exchange_problem(const struct exchange *exchange)
{
    return json_string_value(json_object_get(exchange->body, "code"));
}

static void expect_problem(const struct exchange *exchange)
{
    const struct answer *answer = &exchange->request.answer;
    enum problem problem = problem_by_code(slice_of(exchange_problem(exchange)));
    const struct problem_type *type = &problem_types[problem];
    json_t *instance = json_object_get(exchange->body, "instance");
    struct slice path = exchange->request.path;
    assert(problem != PROBLEM_NONE && problem != PROBLEM_INTERNAL);
    assert(answer->status == type->status);
    assert(json_integer_value(json_object_get(exchange->body, "status")) == type->status);
    assert(json_is_boolean(json_object_get(exchange->body, "retryable")));
    assert(json_string_length(json_object_get(exchange->body, "detail")) > 0);
    assert(!fuzz_is_utf8(path) || slice_equal(path, slice_of(json_string_value(instance))));
    assert(strcmp(json_string_value(json_object_get(exchange->body, "request_id")),
                  exchange->request.id) == 0);
}

static void expect_headers(const struct request *request)
{
    size_t id_size = strnlen(request->id, sizeof request->id);
    assert(id_size >= 1 && id_size <= REQUEST_ID_SIZE_MAX_BYTES);
    for (size_t i = 0; i < request->answer.header_count; i++) {
        const struct answer_header *header = &request->answer.headers[i];
        for (const char *c = header->value; *c != '\0'; c++) {
            assert(*c >= ' ' && *c <= '~');
        }
    }
}

static void expect_answer(struct exchange *exchange)
{
    const struct answer *answer = &exchange->request.answer;
    const char *type = answer->content_type;
    json_error_t error;
    assert(answer->status >= 200 && answer->status < 500);
    expect_headers(&exchange->request);
    if (type == NULL) {
        assert(answer->status == 304 || (answer->status == 204 && answer->body.size == 0));
        return;
    }
    if (strncmp(type, "application/json", 16) == 0 ||
        strcmp(type, "application/problem+json") == 0) {
        exchange->body =
            json_loadb(answer->body.data, answer->body.size, JSON_REJECT_DUPLICATES, &error);
        assert(json_is_object(exchange->body));
    }
    if (answer->stream.source != NULL) {
        assert(answer->status == 200 && strcmp(type, "text/event-stream") == 0);
        run_stream(exchange);
    }
    if (answer->status >= 400) {
        assert(strcmp(type, "application/problem+json") == 0);
        expect_problem(exchange);
    }
}

/* ---- an exchange ---- */

void exchange_begin(struct exchange *exchange, enum http_method method, const char *target)
{
    struct request *request = &exchange->request;
    memset(request, 0, offsetof(struct request, first_block));
    arena_init(&request->arena, request->first_block, sizeof request->first_block);
    list_init(&request->header_fields);
    exchange->header_count = exchange->taken = exchange->submitted = 0;
    exchange->body = NULL;
    request->context = &context;
    request->connection = exchange;
    request->client = &client;
    request->started = clock_now();
    request->route = &routes.at[0];
    request->method = method;
    gate_name_request(request);
    bool kept = request_set_uri(request, target);
    assert(kept);
}

void exchange_add_header(struct exchange *exchange, struct slice name, struct slice value)
{
    if (exchange->header_count < EXCHANGE_HEADERS_MAX) {
        struct exchange_header *header = &exchange->headers[exchange->header_count++];
        *header = (struct exchange_header){fuzz_string(name), fuzz_string(value)};
        bool noted =
            header_note(&exchange->request, slice_of(header->name), slice_of(header->value));
        assert(noted);
    }
}

void exchange_run(struct exchange *exchange, enum route_flags port, struct slice body)
{
    current = exchange;
    context.port = port;
    if (gate_take_head(&exchange->request) == GATE_PASSED &&
        gate_take_body(&exchange->request, body.size, NULL) == GATE_PASSED) {
        exchange->request.body = (char *)(uintptr_t)body.data;
        exchange->request.body_size = body.size;
        gate_take_whole(&exchange->request);
    }
    assert((exchange->request.answer.status != 0) != (exchange->submitted > 0));
    run_operations(exchange);
    expect_answer(exchange);
}

void exchange_end(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->header_count; i++) {
        free(exchange->headers[i].name);
        free(exchange->headers[i].value);
    }
    for (size_t i = 0; i < exchange->submitted; i++) {
        struct operation *operation = &exchange->operations[i];
        if (operation_is_listing(operation)) {
            free(operation_listing(operation)->page);
        } else if (operation_is_settings(operation)) {
            free(operation_settings(operation)->precondition);
        }
    }
    json_decref(exchange->body);
    arena_reset(&exchange->request.arena);
}
