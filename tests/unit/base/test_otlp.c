/* Spans in OTLP's JSON encoding. */
#include "unit.h"

#include "rsvpd/base/otlp.h"

#include <jansson.h>
#include <stdlib.h>

enum { SPANS_MAX = 512, SIZE_BYTES = SPANS_MAX * OTLP_SPAN_SIZE_MAX_BYTES };

static const struct otlp_resource plain = {
    .service_name = "", .attributes = "", .bind_address = "127.0.0.1", .port = 8080};

static json_t *written(const struct otlp_resource *resource, const struct span *spans, size_t count)
{
    char *bytes = malloc(SIZE_BYTES);
    assert_non_null(bytes);
    struct text text = text_over(bytes, SIZE_BYTES);
    assert_true(otlp_write(resource, spans, count, &text));
    json_t *document = json_loadb(text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(document);
    free(bytes);
    return document;
}

static json_t *resource_of(const json_t *document)
{
    return json_array_get(json_object_get(document, "resourceSpans"), 0);
}

static json_t *span_of(const json_t *document, size_t index)
{
    json_t *scope = json_array_get(json_object_get(resource_of(document), "scopeSpans"), 0);
    return json_array_get(json_object_get(scope, "spans"), index);
}

/* The attribute's value, a string or a number written as one; NULL: there is none. */
static const char *attribute(const json_t *of, const char *key)
{
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(of, "attributes"), i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "key")), key) == 0) {
            json_t *value = json_object_get(one, "value");
            const char *text = json_string_value(json_object_get(value, "stringValue"));
            return text != NULL ? text : json_string_value(json_object_get(value, "intValue"));
        }
    }
    return NULL;
}

static void expect(const json_t *span, const char *name, const char *value)
{
    assert_string_equal(json_string_value(json_object_get(span, name)), value);
}

static void test_a_request(NO_STATE)
{
    struct otlp_resource resource = plain;
    resource.wall_minus_mono_us = 1700000000000000;
    json_t *document =
        written(&resource,
                &(struct span){.kind = SPAN_REQUEST,
                               .self = {0x0af7651916cd43ddu, 0x8448eb211c80319cu, 1},
                               .parent = 0xb7ad6b7169203331u,
                               .start_us = 5,
                               .end_us = 12,
                               .error = "503",
                               .http = {HTTP_POST, "/v1/events/{event_id}/rsvp", 503, "1.0"}},
                1);
    const json_t *span = span_of(document, 0);
    expect(span, "traceId", "0af7651916cd43dd8448eb211c80319c");
    expect(span, "spanId", "0000000000000001");
    expect(span, "parentSpanId", "b7ad6b7169203331");
    expect(span, "name", "POST /v1/events/{event_id}/rsvp");
    expect(span, "startTimeUnixNano", "1700000000000005000");
    expect(span, "endTimeUnixNano", "1700000000000012000");
    assert_int_equal(json_integer_value(json_object_get(span, "kind")), 2);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(span, "status"), "code")),
                     2);
    assert_string_equal(attribute(span, "http.request.method"), "POST");
    assert_string_equal(attribute(span, "http.route"), "/v1/events/{event_id}/rsvp");
    assert_string_equal(attribute(span, "http.response.status_code"), "503");
    assert_string_equal(attribute(span, "error.type"), "503");
    assert_string_equal(attribute(span, "url.scheme"), "http");
    assert_string_equal(attribute(span, "network.protocol.version"), "1.0");
    assert_string_equal(attribute(span, "server.port"), "8080");
    json_decref(document);
}

static void test_an_unknown_request(NO_STATE)
{
    json_t *document =
        written(&plain,
                &(struct span){
                    .kind = SPAN_REQUEST, .self = {1, 1, 1}, .http = {HTTP_OTHER, "", 404, "1.1"}},
                1);
    const json_t *span = span_of(document, 0);
    expect(span, "name", "HTTP");
    assert_string_equal(attribute(span, "http.request.method"), "_OTHER");
    assert_null(attribute(span, "http.route"));
    assert_null(attribute(span, "error.type"));
    assert_null(json_object_get(span, "parentSpanId"));
    assert_null(json_object_get(json_object_get(span, "status"), "code"));
    json_decref(document);
}

static void test_a_batch(NO_STATE)
{
    const struct span spans[] = {
        {.kind = SPAN_BATCH, .self = {7, 8, 9}, .db = {"write", "rsvps", 512}},
        {.kind = SPAN_SHARE,
         .self = {1, 2, 3},
         .parent = 4,
         .link = {7, 8, 9},
         .db = {"write", "rsvps", 512}},
        {.kind = SPAN_QUEUE, .self = {1, 2, 5}, .parent = 4, .db = {"write", "rsvps", 512}},
        {.kind = SPAN_SHARE, .self = {1, 2, 6}, .link = {7, 8, 9}, .db = {"list_events", "", 1}},
    };
    json_t *document = written(&plain, spans, 4);
    const json_t *share = span_of(document, 1);
    const json_t *link = json_array_get(json_object_get(share, "links"), 0);
    expect(span_of(document, 0), "name", "BATCH write rsvps");
    assert_null(json_object_get(span_of(document, 0), "links"));
    expect(link, "traceId", "00000000000000070000000000000008");
    expect(link, "spanId", "0000000000000009");
    assert_string_equal(attribute(share, "db.system.name"), "postgresql");
    assert_string_equal(attribute(share, "db.operation.name"), "BATCH write");
    assert_string_equal(attribute(share, "db.operation.batch.size"), "512");
    assert_string_equal(attribute(share, "db.collection.name"), "rsvps");
    expect(span_of(document, 2), "name", "queue write rsvps");
    expect(span_of(document, 3), "name", "list_events");
    assert_null(attribute(span_of(document, 3), "db.operation.batch.size")); /* never 1 */
    assert_null(attribute(span_of(document, 3), "db.collection.name"));
    json_decref(document);
}

static void test_the_resource(NO_STATE)
{
    static const struct {
        const char *service_name, *attributes, *expected;
    } cases[] = {
        {"", "", "rsvpd"},
        {"mine", "", "mine"},
        {"", "service.name=listed,a=b%20c", "listed"},
        {"mine", "a=b%20c, service.name=listed", "mine"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct otlp_resource resource = plain;
        resource.service_name = cases[i].service_name;
        resource.attributes = cases[i].attributes;
        json_t *document = written(&resource, NULL, 0);
        const json_t *found = json_object_get(resource_of(document), "resource");
        assert_string_equal(attribute(found, "service.name"), cases[i].expected);
        assert_string_equal(attribute(found, "service.version"), RSVPD_VERSION);
        if (*cases[i].attributes != '\0') {
            assert_string_equal(attribute(found, "a"), "b c");
        }
        json_decref(document);
    }
}

/* No key comes twice: the last that is listed counts, and goes before our own. */
static void test_keys_of_the_resource_are_unique(NO_STATE)
{
    struct otlp_resource resource = plain;
    resource.service_name = "mine";
    resource.attributes =
        "a=1,service.version=7,service.name=x,a=2,b=3,service.name=y,service.version=8";
    json_t *document = written(&resource, NULL, 0);
    const json_t *found = json_object_get(resource_of(document), "resource");
    assert_int_equal(json_array_size(json_object_get(found, "attributes")), 4);
    assert_string_equal(attribute(found, "service.name"), "mine");
    assert_string_equal(attribute(found, "service.version"), "8");
    assert_string_equal(attribute(found, "a"), "2");
    assert_string_equal(attribute(found, "b"), "3");
    json_decref(document);
}

/* What the configuration takes fits, whatever it becomes in JSON. */
static void test_the_largest_resource_fits(NO_STATE)
{
    static const char *const repeated[] = {"a=,", "\x01\x02=\x03,", "a=\"\\\x7f\xff\x01,"};
    static char name[TRACE_NAME_SIZE_MAX_BYTES + 1], list[TRACE_ATTRIBUTES_SIZE_MAX_BYTES + 1];
    static char bytes[OTLP_RESOURCE_SIZE_MAX_BYTES];
    memset(name, '\x01', sizeof name - 1);
    for (size_t i = 0; i < LENGTH(repeated); i++) {
        struct otlp_resource resource = plain;
        struct text all = text_over(list, sizeof list - 1);
        memset(list, 0, sizeof list);
        for (int key = 0; !all.truncated; key++) {
            text_add_format(&all, "%x", key);
            text_add_cstr(&all, repeated[i]);
        }
        resource.service_name = name;
        resource.attributes = list;
        struct text text = text_over(bytes, sizeof bytes);
        assert_true(otlp_write(&resource, NULL, 0, &text));
        json_t *document = json_loadb(text.data, text.size, 0, NULL);
        assert_non_null(document);
        json_decref(document);
    }
}

/* The largest of all fits as often as it may come. */
static void test_as_much_as_may_be(NO_STATE)
{
    static struct span spans[SPANS_MAX];
    for (size_t i = 0; i < SPANS_MAX; i++) {
        spans[i] = (struct span){.kind = SPAN_SHARE,
                                 .self = {UINT64_MAX, UINT64_MAX, UINT64_MAX},
                                 .parent = UINT64_MAX,
                                 .link = {UINT64_MAX, UINT64_MAX, UINT64_MAX},
                                 .end_us = INT64_MAX / 1000,
                                 .error = "connection_lost",
                                 .db = {"expire_kept_answers", "rsvp_counters", 512}};
    }
    json_t *document = written(&plain, spans, SPANS_MAX);
    assert_non_null(span_of(document, SPANS_MAX - 1));
    json_decref(document);
    char small[64];
    struct text text = text_over(small, sizeof small);
    assert_false(otlp_write(&plain, spans, 1, &text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request),
        cmocka_unit_test(test_an_unknown_request),
        cmocka_unit_test(test_a_batch),
        cmocka_unit_test(test_the_resource),
        cmocka_unit_test(test_as_much_as_may_be),
        cmocka_unit_test(test_keys_of_the_resource_are_unique),
        cmocka_unit_test(test_the_largest_resource_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
