/* The header fields that mean something here. */
#include "rsvpd/http/header.h"

struct header_field {
    struct list_node link; /* in the request's */
    enum header_name name;
    struct slice value;
};

#define NAME(text)                                                                                 \
    {                                                                                              \
        .data = (text), .size = sizeof(text) - 1                                                   \
    }
static const struct slice names[HEADER_NAME_COUNT] = {
    [HEADER_ACCEPT_ENCODING] = NAME("Accept-Encoding"),
    [HEADER_ACCESS_CONTROL_REQUEST_METHOD] = NAME("Access-Control-Request-Method"),
    [HEADER_AUTHORIZATION] = NAME("Authorization"),
    [HEADER_CONTENT_ENCODING] = NAME("Content-Encoding"),
    [HEADER_CONTENT_LENGTH] = NAME("Content-Length"),
    [HEADER_CONTENT_TYPE] = NAME("Content-Type"),
    [HEADER_FORWARDED] = NAME("Forwarded"),
    [HEADER_HOST] = NAME("Host"),
    [HEADER_IDEMPOTENCY_KEY] = NAME("Idempotency-Key"),
    [HEADER_IF_MATCH] = NAME("If-Match"),
    [HEADER_IF_NONE_MATCH] = NAME("If-None-Match"),
    [HEADER_LAST_EVENT_ID] = NAME("Last-Event-ID"),
    [HEADER_ORIGIN] = NAME("Origin"),
    [HEADER_SEC_FETCH_SITE] = NAME("Sec-Fetch-Site"),
    [HEADER_TRACEPARENT] = NAME("traceparent"),
    [HEADER_X_API_KEY] = NAME("X-API-Key"),
    [HEADER_X_FORWARDED_FOR] = NAME("X-Forwarded-For"),
    [HEADER_X_REQUEST_ID] = NAME("X-Request-Id"),
    [HEADER_X_USER_ID] = NAME("X-User-Id"),
};
#undef NAME

enum header_name header_named(struct slice name)
{
    enum header_name i = 0;
    while (i < HEADER_NAME_COUNT && !slice_equal_nocase(name, names[i])) {
        i++;
    }
    return i;
}

bool header_is_list(enum header_name name)
{
    return name == HEADER_ACCEPT_ENCODING || name == HEADER_CONTENT_ENCODING ||
           name == HEADER_IF_MATCH || name == HEADER_IF_NONE_MATCH;
}

bool header_note(struct request *request, struct slice name, struct slice value)
{
    enum header_name found = header_named(name);
    if (found == HEADER_NAME_COUNT) {
        return true;
    }
    struct header_field *field = arena_take(&request->arena, sizeof *field);
    if (field == NULL) {
        return false;
    }
    *field = (struct header_field){.name = found, .value = value};
    list_push_back(&request->header_fields, &field->link);
    return true;
}

bool header_next(const struct request *request, enum header_name name,
                 const struct header_field **field, struct slice *value)
{
    const struct list_node *end = &request->header_fields.head;
    const struct list_node *node = *field == NULL ? end->next : (*field)->link.next;
    for (; node != end; node = node->next) {
        *field = list_entry(node, const struct header_field, link);
        if ((*field)->name == name) {
            *value = (*field)->value;
            return true;
        }
    }
    return false;
}

size_t header_values(const struct request *request, enum header_name name, struct slice *values,
                     size_t max)
{
    size_t size = 0;
    const struct header_field *field = NULL;
    while (size < max && header_next(request, name, &field, &values[size])) {
        size++;
    }
    return size;
}

bool header_given(const struct request *request, enum header_name name)
{
    struct slice value;
    return header_values(request, name, &value, 1) > 0;
}

struct slice header_value(const struct request *request, enum header_name name)
{
    struct slice value;
    return header_values(request, name, &value, 1) == 0 ? slice_of("") : value;
}
