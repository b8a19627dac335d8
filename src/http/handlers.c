/* What answers each route. */
#include "rsvpd/http/handlers.h"
#include "rsvpd/domain/count_memory.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/query.h"
#include "rsvpd/http/route.h"
#include "rsvpd/http/submission.h"
#include "rsvpd/http/who.h"
#include "rsvpd/service/service.h"

#include <stdlib.h>

enum {
    MAX_STALE_MS_MAX = 5000,
    SHARED_CACHE_US = 1000 * 1000, /* what max-age=1 lets a cache in front add to a count's age */
    METRICS_SIZE_BYTES = 4 * 1024 * 1024,
    HEALTH_SIZE_BYTES = 512,
    PROBLEM_TYPE_SIZE_BYTES = 1024,
};
static_assert(COUNT_BOUND_US + SHARED_CACHE_US <= MAX_STALE_MS_MAX * 1000,
              "the oldest fresh count that a cache may hold is within the greatest bound");

/* Hands the one operation of this request to the service. */
static void submit(struct request *request, enum operation_kind kind, operation_done_fn *done)
{
    struct operation *operation = submission_take(request, kind, done);
    if (operation == NULL) {
        answer_problem(request, PROBLEM_OVERLOADED, NULL);
        return;
    }
    submission_send(request, operation);
}

static void write_done(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct request *request = operation->owner;
    (void)now_us;
    if (submission_done(request, outcome)) {
        answer_write(request, operation);
    }
    context_answered(request);
}

void handle_add(struct request *request)
{
    bool past_capacity;
    if (!query_boolean(request, "past_capacity", &past_capacity) ||
        (past_capacity && !who_has_scope(request, SCOPE_ADMIN))) {
        return;
    }
    struct operation *operation = submission_take(request, OPERATION_ADD, write_done);
    if (operation == NULL) {
        answer_problem(request, PROBLEM_OVERLOADED, NULL);
        return;
    }
    operation_write(operation)->past_capacity = past_capacity;
    submission_send(request, operation);
}

void handle_remove(struct request *request)
{
    submit(request, OPERATION_REMOVE, write_done);
}

static void lookup_done(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct request *request = operation->owner;
    (void)now_us;
    if (submission_done(request, outcome)) {
        answer_lookup(request, operation);
    }
    context_answered(request);
}

void handle_lookup(struct request *request)
{
    submit(request, OPERATION_LOOKUP, lookup_done);
}

static void count_done(struct operation *operation, enum outcome outcome, int64_t now_us)
{
    struct request *request = operation->owner;
    (void)now_us;
    if (submission_done(request, outcome)) {
        answer_count(request, &operation->count);
    }
    context_answered(request);
}

bool handle_count_bound(struct request *request, int64_t *not_before_us)
{
    int64_t max_stale_ms;
    if (!query_number(request, "max_stale_ms", 0, MAX_STALE_MS_MAX, MAX_STALE_MS_MAX,
                      &max_stale_ms)) {
        return false;
    }
    request->cacheable = max_stale_ms * 1000 >= SHARED_CACHE_US;
    int64_t cache_us = request->cacheable ? SHARED_CACHE_US : 0;
    *not_before_us = request->context->now_us() - service_count_bound_us(max_stale_ms, cache_us);
    return true;
}

void handle_count(struct request *request)
{
    int64_t not_before_us;
    if (!handle_count_bound(request, &not_before_us)) {
        return;
    }
    struct operation *operation = submission_take(request, OPERATION_COUNT, count_done);
    if (operation == NULL) {
        answer_problem(request, PROBLEM_OVERLOADED, NULL);
        return;
    }
    operation_freshness(operation)->not_before_us = not_before_us;
    submission_send(request, operation);
}

void handle_problem_type(struct request *request)
{
    enum problem problem = problem_by_code(request->captured);
    if (problem == PROBLEM_NONE) {
        answer_problem(request, PROBLEM_NOT_FOUND, "there is no problem of this code");
        return;
    }
    const struct problem_type *type = &problem_types[problem];
    struct text body = request_text(request, PROBLEM_TYPE_SIZE_BYTES);
    struct json_writer json = json_writer_over(&body);
    json_write_object_begin(&json, NULL);
    json_write_string(&json, "code", slice_of(type->code));
    json_write_string(&json, "title", slice_of(type->title));
    json_write_int(&json, "status", type->status);
    json_write_bool(&json, "retryable", type->retryable);
    json_write_string(&json, "explanation", slice_of(type->explanation));
    json_write_object_end(&json);
    answer_json(request, 200, &json);
}

static void write_dependency(struct text *body, const char *name,
                             const struct dependency_state *state)
{
    if (!state->configured) {
        return;
    }
    struct json_writer json = json_writer_over(body);
    json_write_object_begin(&json, NULL);
    json_write_string(&json, "dependency", slice_of(name));
    json_write_string(&json, "status", slice_of(state->up ? "up" : "down"));
    if (state->latency_us >= 0) {
        json_write_milliseconds(&json, "latency_ms", state->latency_us);
    }
    json_write_object_end(&json);
    text_add_cstr(body, "\n");
}

/* One line, or with ?verbose one more for each dependency. */
static void answer_health(struct request *request, bool good, const char *word,
                          const struct http_health *health)
{
    bool verbose;
    if (!query_flag(request, "verbose", &verbose)) {
        return;
    }
    struct text body = request_text(request, HEALTH_SIZE_BYTES);
    struct json_writer json = json_writer_over(&body);
    json_write_object_begin(&json, NULL);
    json_write_string(&json, "status", slice_of(word));
    json_write_object_end(&json);
    if (verbose) {
        text_add_cstr(&body, "\n");
        write_dependency(&body, "postgres", &health->postgres);
        write_dependency(&body, "redis", &health->redis);
    }
    if (body.truncated) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return;
    }
    answer_with(request, good ? 200 : 503, verbose ? "application/x-ndjson" : "application/json",
                text_slice(&body));
    answer_add_header(request, "Cache-Control", "no-store");
    if (!good) {
        answer_retry_after(request, 1);
    }
}

static void ask_health(struct request *request, struct http_health *health)
{
    const struct http_process *process = &request->context->process;
    process->health(process->process, health);
}

void handle_livez(struct request *request)
{
    struct http_health health;
    ask_health(request, &health);
    answer_health(request, health.alive, health.alive ? "alive" : "stuck", &health);
}

void handle_readyz(struct request *request)
{
    struct http_health health;
    bool ready;
    ask_health(request, &health);
    const char *word = http_health_word(&health, &ready);
    answer_health(request, ready, word, &health);
}

void handle_metrics(struct request *request)
{
    const struct http_process *process = &request->context->process;
    struct text body = request_text(request, METRICS_SIZE_BYTES);
    if (body.capacity > 0) {
        process->metrics(process->process, &body);
    }
    if (body.capacity == 0 || body.truncated) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return;
    }
    answer_with(request, 200, "text/plain; version=0.0.4; charset=utf-8", text_slice(&body));
    answer_allow_compression(request);
}
