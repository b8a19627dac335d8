/* Bodies of writes and of settings: a body that is taken means what its members say, and written
 * anew by jansson, the same; settings that are answered, sent back, are the same settings. */
#include "exchange.h"
#include "fuzz.h"

#include "rsvpd/base/rfc3339.h"

#include <stdlib.h>

static void run(struct exchange *exchange, enum http_method method, const char *target,
                struct slice body)
{
    exchange_begin(exchange, method, target);
    exchange_add_header(exchange, slice_of("Host"), slice_of("h"));
    exchange_run(exchange, ROUTE_PUBLIC, body);
}

static void expect_same_settings(const struct settings *a, const struct settings *b)
{
    assert(a->limited == b->limited && (!a->limited || a->capacity == b->capacity));
    assert(a->waitlist == b->waitlist && a->opens == b->opens && a->closes == b->closes);
    assert(!a->opens || a->opens_at_us / 1000 == b->opens_at_us / 1000);
    assert(!a->closes || a->closes_at_us / 1000 == b->closes_at_us / 1000);
}

static void expect_same(const struct exchange *a, const struct exchange *b)
{
    assert(a->request.answer.status == b->request.answer.status && a->submitted == b->submitted);
    for (size_t i = 0; i < a->submitted; i++) {
        const struct operation *x = &a->operations[i], *y = &b->operations[i];
        assert(x->kind == y->kind && identifier_equal(&x->user, &y->user));
        if (operation_is_settings(x)) {
            expect_same_settings(&operation_settings(x)->wanted, &operation_settings(y)->wanted);
        }
    }
}

static void expect_time(const json_t *member, bool given, int64_t unix_us)
{
    int64_t read_us = 0;
    struct slice text = slice_make(json_string_value(member), json_string_length(member));
    assert(given == json_is_string(member));
    bool valid = !given || rfc3339_parse(text, &read_us);
    assert(valid && (!given || read_us == unix_us));
}

/* The settings are what the body's members say, each for itself. */
static void expect_settings_of(const json_t *body, const struct settings *settings)
{
    const json_t *capacity = json_object_get(body, "capacity");
    assert(settings->limited == json_is_number(capacity));
    assert(!settings->limited || (double)settings->capacity == json_number_value(capacity));
    assert(settings->waitlist == json_is_true(json_object_get(body, "waitlist")));
    expect_time(json_object_get(body, "opens_at"), settings->opens, settings->opens_at_us);
    expect_time(json_object_get(body, "closes_at"), settings->closes, settings->closes_at_us);
}

static void send_written(const struct exchange *first, enum http_method method, const char *target,
                         const json_t *body)
{
    static struct exchange second;
    char *text = json_dumps(body, JSON_ENSURE_ASCII | JSON_SORT_KEYS);
    assert(text != NULL);
    run(&second, method, target, slice_of(text));
    expect_same(first, &second);
    exchange_end(&second);
    free(text);
}

/* The answer to a PUT, without the members that it adds, is a body for the same PUT. */
static void send_answered(const struct exchange *first, const char *target)
{
    static const char *const added[] = {"event_id", "rsvp_count", "waitlist_count", "remaining"};
    json_t *body = json_deep_copy(first->body);
    for (size_t i = 0; i < sizeof added / sizeof added[0]; i++) {
        int missing = json_object_del(body, added[i]);
        assert(missing == 0);
    }
    send_written(first, HTTP_PUT, target, body);
    json_decref(body);
}

static void check(enum http_method method, const char *target, struct slice input)
{
    static struct exchange exchange;
    json_error_t error;
    run(&exchange, method, target, input);
    if (exchange.submitted > 0) {
        json_t *body = json_loadb(input.data, input.size, JSON_REJECT_DUPLICATES, &error);
        assert(json_is_object(body));
        send_written(&exchange, method, target, body);
        if (method == HTTP_PUT) {
            expect_settings_of(body, &operation_settings(&exchange.operations[0])->wanted);
            send_answered(&exchange, target);
        }
        json_decref(body);
    } else {
        assert(exchange_problem(&exchange) != NULL);
    }
    exchange_end(&exchange);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice body = fuzz_input(data, size);
    if (size > 0 && size <= REQUEST_BODY_SIZE_MAX_BYTES) {
        check(HTTP_POST, "/v1/events/e/rsvp", body);
        check(HTTP_DELETE, "/v1/posts/p/like", body);
        check(HTTP_PUT, "/v1/events/e", body);
        check(HTTP_DELETE, "/v1/events/e", body);
    }
    return 0;
}
