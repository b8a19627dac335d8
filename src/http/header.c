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
    [HEADER_ORIGIN] = NAME("Origin"),
    [HEADER_SEC_FETCH_SITE] = NAME("Sec-Fetch-Site"),
    [HEADER_TRACEPARENT] = NAME("traceparent"),
    [HEADER_X_API_KEY] = NAME("X-API-Key"),
    [HEADER_X_FORWARDED_FOR] = NAME("X-Forwarded-For"),
    [HEADER_X_REQUEST_ID] = NAME("X-Request-Id"),
    [HEADER_X_USER_ID] = NAME("X-User-Id"),
};
#undef NAME

static size_t find(struct slice name)
{
    size_t i = 0;
    while (i < HEADER_NAME_COUNT && !slice_equal_nocase(name, names[i])) {
        i++;
    }
    return i;
}

bool header_is_known(struct slice name)
{
    return find(name) < HEADER_NAME_COUNT;
}

bool header_note(struct request *request, struct slice name, struct slice value)
{
    size_t i = find(name);
    if (i == HEADER_NAME_COUNT) {
        return true;
    }
    struct header_field *field = arena_take(&request->arena, sizeof *field);
    if (field == NULL) {
        return false;
    }
    *field = (struct header_field){.name = (enum header_name)i, .value = value};
    list_push_back(&request->header_fields, &field->link);
    return true;
}

size_t header_values(const struct request *request, enum header_name name, struct slice *values,
                     size_t max)
{
    size_t size = 0;
    const struct list_node *end = &request->header_fields.head;
    for (const struct list_node *node = end->next; node != end && size < max; node = node->next) {
        const struct header_field *field = list_entry(node, const struct header_field, link);
        if (field->name == name) {
            values[size++] = field->value;
        }
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
