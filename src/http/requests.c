/* The requests of one server. */
#include "rsvpd/http/requests.h"
#include "rsvpd/http/connection.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/gate.h"
#include "rsvpd/http/outlet.h"
#include "rsvpd/http/request_trace.h"

#include <stdlib.h>
#include <sys/socket.h>

enum {
    /* How long a client that was refused may go on sending. Where the socket were closed while
     * bytes come, the answer could be lost on its way (RFC 9112 section 9.6). */
    LINGER_US = 2 * 1000 * 1000,
    /* How long the body of a request may come that was answered at its head. Whoever sends it at
     * once keeps the connection; whoever waits for an answer first gets it. */
    DROP_WITHIN_US = 100 * 1000,
    FREE_REQUESTS_MAX = 512, /* kept for the next ones; a crowd's are not */
};

void requests_init(struct requests *requests, const struct http_context *context,
                   int64_t access_log_every)
{
    *requests = (struct requests){.context = context, .access_log = {.every = access_log_every}};
    list_init(&requests->arriving);
    list_init(&requests->dropping);
    list_init(&requests->sending);
    list_init(&requests->resting);
    list_init(&requests->woken);
    list_init(&requests->refused);
    list_init(&requests->free);
}

void requests_close(struct requests *requests)
{
    struct list_node *node;
    assert(requests->active == 0);
    while ((node = list_pop_front(&requests->free)) != NULL) {
        free(list_entry(node, struct request, link));
    }
}

static void move_to(struct list *list, struct request *request)
{
    requests_arrived(request);
    list_push_back(list, &request->link);
}

/* In a list whose first is looked for by how long it has been there. */
static void enlist(struct list *list, struct request *request, int64_t now_us)
{
    request->listed_us = now_us;
    move_to(list, request);
}

struct request *requests_begin(struct requests *requests, struct connection *client,
                               const char *uri)
{
    struct list_node *node = list_pop_front(&requests->free);
    requests->free_count -= node != NULL;
    struct request *request =
        node != NULL ? list_entry(node, struct request, link) : malloc(sizeof *request);
    if (request == NULL) {
        return NULL;
    }
    memset(request, 0, offsetof(struct request, first_block));
    arena_init(&request->arena, request->first_block, sizeof request->first_block);
    list_init(&request->header_fields);
    request->context = requests->context;
    request->client = client;
    request->started = clock_now();
    request->route = &requests->context->routes->at[0];
    enlist(&requests->arriving, request, request->started.mono_us);
    requests->active++;
    gate_name_request(request);
    if (!request_set_uri(request, uri)) {
        requests_end(requests, request);
        return NULL;
    }
    return request;
}

void requests_arrived(struct request *request)
{
    if (list_linked(&request->link)) {
        list_remove(&request->link);
    }
}

static void wait_no_more(struct requests *requests, struct request *request)
{
    requests->waiting -= request->suspended;
    request->suspended = false;
}

/* In the metrics, and perhaps in the log. */
static void note(struct requests *requests, const struct request *request)
{
    /* A client may hang up between the making of its answer and the sending. */
    int64_t end_us = request->answered_us != 0 ? request->answered_us : clock_mono_us();
    int64_t open_us = request->answer.stream.begun ? clock_mono_us() - end_us : 0;
    int64_t duration_us = end_us - request->started.mono_us;
    size_t route = (size_t)(request->route - requests->context->routes->at);
    metrics_observe_request(requests->context->metrics, route, request->method,
                            request->answer.status, (uint64_t)duration_us);
    access_log_note(&requests->access_log, request, duration_us, open_us);
    if (request->trace.span != 0) {
        request_trace_note(request, end_us);
    }
}

static void close_stream(struct requests *requests, struct request *request)
{
    struct stream *stream = &request->answer.stream;
    if (stream->source != NULL) {
        requests->streams -= stream->begun;
        stream->source->close(stream->state);
    }
}

void requests_end(struct requests *requests, struct request *request)
{
    assert(requests->active > 0);
    requests_arrived(request);
    wait_no_more(requests, request);
    close_stream(requests, request);
    if (request->answer.status != 0) {
        note(requests, request);
    }
    arena_reset(&request->arena);
    requests->active--;
    if (requests->free_count == FREE_REQUESTS_MAX) {
        free(request);
        return;
    }
    list_push_front(&requests->free, &request->link);
    requests->free_count++;
}

void requests_wait(struct requests *requests, struct request *request)
{
    assert(request->phase == REQUEST_WAITING && !request->suspended);
    request->suspended = true;
    requests->waiting++;
}

void requests_drop(struct requests *requests, struct request *request, int64_t now_us)
{
    assert(request->answer.status != 0);
    request->phase = REQUEST_DROPPING;
    enlist(&requests->dropping, request, now_us);
}

void requests_send(struct requests *requests, struct request *request, int64_t now_us)
{
    request->answered_us = now_us;
    enlist(&requests->sending, request, now_us);
    wait_no_more(requests, request);
    if (request->answer.stream.source != NULL) {
        request->answer.stream.begun = true;
        requests->streams++;
    }
}

void requests_stream_sends(struct requests *requests, struct request *request, int64_t now_us)
{
    assert(request->answer.stream.begun);
    request->answer.stream.resting = false;
    enlist(&requests->sending, request, now_us);
}

void requests_stream_wakes(struct requests *requests, struct request *request)
{
    assert(request->answer.stream.begun);
    request->answer.stream.resting = false;
    move_to(&requests->woken, request);
}

void requests_stream_rests(struct requests *requests, struct request *request)
{
    assert(request->answer.stream.begun);
    request->answer.stream.resting = true;
    move_to(&requests->resting, request);
}

void requests_refuse(struct requests *requests, struct request *request, int64_t now_us)
{
    assert(!request->suspended);
    request->answered_us = now_us;
    request->phase = REQUEST_REFUSED;
    enlist(&requests->refused, request, now_us);
}

/* The first that has been in the list since before then; NULL where there is none. */
static struct request *first_before(const struct list *list, int64_t before_us)
{
    struct list_node *node = list_first(list);
    struct request *request = node == NULL ? NULL : list_entry(node, struct request, link);
    return request != NULL && request->listed_us < before_us ? request : NULL;
}

struct request *requests_overdue(const struct requests *requests, int64_t now_us)
{
    struct request *answered = first_before(&requests->dropping, now_us - DROP_WITHIN_US);
    return answered != NULL ? answered
                            : first_before(&requests->arriving,
                                           now_us - requests->context->limits.deadline_us + 1);
}

struct request *requests_resting(const struct requests *requests)
{
    struct list_node *node = list_first(&requests->resting);
    return node == NULL ? NULL : list_entry(node, struct request, link);
}

struct request *requests_any_outlet(const struct requests *requests)
{
    const struct list *lists[] = {&requests->woken, &requests->resting, &requests->sending};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        for (struct list_node *node = lists[i]->head.next; node != &lists[i]->head;
             node = node->next) {
            struct request *request = list_entry(node, struct request, link);
            if (request->answer.stream.outlet != NULL) {
                return request;
            }
        }
    }
    return NULL;
}

void requests_end_slow(struct requests *requests, int64_t now_us)
{
    int64_t take_us = CONNECTION_DEADLINES_TO_TAKE * requests->context->limits.deadline_us;
    struct request *request;
    while ((request = first_before(&requests->refused, now_us - LINGER_US)) != NULL) {
        list_remove(&request->link);
        (void)shutdown(request->client->fd, SHUT_RDWR);
    }
    while ((request = first_before(&requests->sending, now_us - take_us)) != NULL) {
        if (request->answer.stream.outlet != NULL) {
            outlet_reset(request->answer.stream.outlet);
            request->answer.stream.gone = true;
            requests_stream_wakes(requests, request);
        } else {
            list_remove(&request->link);
            connection_reset(request->client);
        }
    }
}
