/* Spans as OTLP has them, in its JSON encoding. */
#include "rsvpd/base/otlp.h"
#include "rsvpd/base/json_writer.h"
#include "rsvpd/base/pair_list.h"

#include <inttypes.h>
#include <stdio.h>

/* The numbers of enum SpanKind and enum StatusCode in opentelemetry/proto/trace/v1/trace.proto. */
enum { KIND_INTERNAL = 1, KIND_SERVER = 2, KIND_CLIENT = 3, STATUS_ERROR = 2, FLAG_SAMPLED = 1 };

enum { NAME_SIZE_BYTES = 128, NUMBER_SIZE_BYTES = 32 };

static const char default_service_name[] = "rsvpd";

/* ---- attributes ---- */

static void add_slice(struct json_writer *json, struct slice key, struct slice value)
{
    json_write_object_begin(json, NULL);
    json_write_string(json, "key", key);
    json_write_object_begin(json, "value");
    json_write_string(json, "stringValue", value);
    json_write_object_end(json);
    json_write_object_end(json);
}

static void add_string(struct json_writer *json, const char *key, const char *value)
{
    add_slice(json, slice_of(key), slice_of(value));
}

/* 64-bit numbers are strings in the JSON encoding of protocol buffers. */
static void write_number(struct json_writer *json, const char *name, int64_t number)
{
    char digits[NUMBER_SIZE_BYTES];
    snprintf(digits, sizeof digits, "%" PRId64, number);
    json_write_string(json, name, slice_of(digits));
}

static void add_number(struct json_writer *json, const char *key, int64_t number)
{
    json_write_object_begin(json, NULL);
    json_write_string(json, "key", slice_of(key));
    json_write_object_begin(json, "value");
    write_number(json, "intValue", number);
    json_write_object_end(json);
    json_write_object_end(json);
}

/* Whether a list of pairs has one of this key. */
static bool lists(struct slice list, struct slice wanted)
{
    char value[PAIR_VALUE_SIZE_MAX_BYTES];
    struct slice key;
    size_t size;
    bool malformed;
    while (pair_list_next(&list, &key, value, &size, &malformed)) {
        if (slice_equal(key, wanted)) {
            return true;
        }
    }
    return false;
}

/* No key may come twice: what is set goes before what is listed, and that before our own. */
static void write_resource(struct json_writer *json, const struct otlp_resource *resource)
{
    static const struct slice name_key = {"service.name", sizeof "service.name" - 1};
    static const struct slice version_key = {"service.version", sizeof "service.version" - 1};
    const struct slice listed = slice_of(resource->attributes);
    bool named = *resource->service_name != '\0', malformed;
    char value[PAIR_VALUE_SIZE_MAX_BYTES];
    struct slice rest = listed, key;
    size_t size;
    json_write_object_begin(json, "resource");
    json_write_array_begin(json, "attributes");
    if (named) {
        add_slice(json, name_key, slice_of(resource->service_name));
    }
    while (pair_list_next(&rest, &key, value, &size, &malformed)) {
        bool set = named && slice_equal(key, name_key);
        if (!set && !lists(rest, key)) {
            add_slice(json, key, slice_make(value, size));
        }
    }
    if (!named && !lists(listed, name_key)) {
        add_slice(json, name_key, slice_of(default_service_name));
    }
    if (!lists(listed, version_key)) {
        add_slice(json, version_key, slice_of(RSVPD_VERSION));
    }
    json_write_array_end(json);
    json_write_object_end(json);
}

/* ---- spans ---- */

static void add_http(struct json_writer *json, const struct otlp_resource *resource,
                     const struct span *span)
{
    bool known = span->http.method != HTTP_OTHER;
    add_string(json, "http.request.method",
               known ? http_method_names[span->http.method] : "_OTHER");
    if (*span->http.route != '\0') {
        add_string(json, "http.route", span->http.route);
    }
    if (span->http.status != 0) {
        add_number(json, "http.response.status_code", span->http.status);
    }
    add_string(json, "url.scheme", "http");
    add_string(json, "network.protocol.name", "http");
    add_string(json, "network.protocol.version", span->http.version);
    add_string(json, "server.address", resource->bind_address);
    add_number(json, "server.port", resource->port);
}

/* A batch is one of two or more (conventions of databases, db.operation.batch.size). */
static bool is_batch(const struct span *span)
{
    return span->db.batch_size > 1;
}

static void add_database(struct json_writer *json, const struct span *span)
{
    char name[NAME_SIZE_BYTES];
    snprintf(name, sizeof name, "%s%s", is_batch(span) ? "BATCH " : "", span->db.operation);
    add_string(json, "db.system.name", "postgresql");
    add_string(json, "db.operation.name", name);
    if (*span->db.table != '\0') {
        add_string(json, "db.collection.name", span->db.table);
    }
    if (is_batch(span)) {
        add_number(json, "db.operation.batch.size", (int64_t)span->db.batch_size);
    }
}

static void write_attributes(struct json_writer *json, const struct otlp_resource *resource,
                             const struct span *span)
{
    json_write_array_begin(json, "attributes");
    if (span->kind == SPAN_REQUEST) {
        add_http(json, resource, span);
    } else if (span->kind != SPAN_QUEUE) {
        add_database(json, span);
    }
    if (span->error != NULL) {
        add_string(json, "error.type", span->error);
    }
    json_write_array_end(json);
}

static void write_name(struct json_writer *json, const struct span *span)
{
    char name[NAME_SIZE_BYTES];
    const char *table = span->kind == SPAN_REQUEST ? "" : span->db.table;
    const char *space = *table == '\0' ? "" : " ";
    switch (span->kind) {
    case SPAN_REQUEST:
        snprintf(name, sizeof name, "%s%s%s",
                 span->http.method == HTTP_OTHER ? "HTTP" : http_method_names[span->http.method],
                 *span->http.route == '\0' ? "" : " ", span->http.route);
        break;
    case SPAN_QUEUE:
        snprintf(name, sizeof name, "queue %s%s%s", span->db.operation, space, table);
        break;
    case SPAN_SHARE:
    case SPAN_BATCH:
        snprintf(name, sizeof name, "%s%s%s%s", is_batch(span) ? "BATCH " : "", span->db.operation,
                 space, table);
        break;
    }
    json_write_string(json, "name", slice_of(name));
}

static void write_ids(struct json_writer *json, const struct trace_ref *ref)
{
    char trace[TRACE_ID_DIGITS], span[SPAN_ID_DIGITS];
    trace_write_trace_id(ref, trace);
    trace_write_span_id(ref->span, span);
    json_write_string(json, "traceId", slice_make(trace, sizeof trace));
    json_write_string(json, "spanId", slice_make(span, sizeof span));
}

static void write_links(struct json_writer *json, const struct span *span)
{
    if (span->kind == SPAN_SHARE) {
        json_write_array_begin(json, "links");
        json_write_object_begin(json, NULL);
        write_ids(json, &span->link);
        json_write_object_end(json);
        json_write_array_end(json);
    }
}

static void write_span(struct json_writer *json, const struct otlp_resource *resource,
                       const struct span *span)
{
    static const int kinds[] = {[SPAN_REQUEST] = KIND_SERVER,
                                [SPAN_QUEUE] = KIND_INTERNAL,
                                [SPAN_SHARE] = KIND_CLIENT,
                                [SPAN_BATCH] = KIND_CLIENT};
    json_write_object_begin(json, NULL);
    write_ids(json, &span->self);
    if (span->parent != 0) {
        char parent[SPAN_ID_DIGITS];
        trace_write_span_id(span->parent, parent);
        json_write_string(json, "parentSpanId", slice_make(parent, sizeof parent));
    }
    json_write_int(json, "flags", FLAG_SAMPLED);
    write_name(json, span);
    json_write_int(json, "kind", kinds[span->kind]);
    write_number(json, "startTimeUnixNano", (span->start_us + resource->wall_minus_mono_us) * 1000);
    write_number(json, "endTimeUnixNano", (span->end_us + resource->wall_minus_mono_us) * 1000);
    write_attributes(json, resource, span);
    write_links(json, span);
    json_write_object_begin(json, "status");
    if (span->error != NULL) {
        json_write_int(json, "code", STATUS_ERROR);
    }
    json_write_object_end(json);
    json_write_object_end(json);
}

bool otlp_write(const struct otlp_resource *resource, const struct span *spans, size_t count,
                struct text *out)
{
    struct json_writer json = json_writer_over(out);
    json_write_object_begin(&json, NULL);
    json_write_array_begin(&json, "resourceSpans");
    json_write_object_begin(&json, NULL);
    write_resource(&json, resource);
    json_write_array_begin(&json, "scopeSpans");
    json_write_object_begin(&json, NULL);
    json_write_object_begin(&json, "scope");
    json_write_string(&json, "name", slice_of("rsvpd"));
    json_write_string(&json, "version", slice_of(RSVPD_VERSION));
    json_write_object_end(&json);
    json_write_array_begin(&json, "spans");
    for (size_t i = 0; i < count; i++) {
        write_span(&json, resource, &spans[i]);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    json_write_array_end(&json);
    json_write_object_end(&json);
    json_write_array_end(&json);
    json_write_object_end(&json);
    return json_writer_complete(&json);
}
