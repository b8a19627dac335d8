/* One HTTP request from its first line to its answer. */
#include "rsvpd/http/request.h"
#include "rsvpd/base/text.h"

/* A proxy's form of a request's target (RFC 9112 section 3.2.2): only what follows the authority
 * matters here. */
static struct slice without_authority(struct slice uri)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct slice scheme = slice_of(schemes[i]);
        if (uri.size > scheme.size &&
            slice_equal_nocase(slice_make(uri.data, scheme.size), scheme)) {
            size_t end = scheme.size;
            while (end < uri.size && uri.data[end] != '/' && uri.data[end] != '?') {
                end++;
            }
            return slice_make(uri.data + end, uri.size - end);
        }
    }
    return uri;
}

bool request_set_uri(struct request *request, const char *uri)
{
    size_t size = strlen(uri);
    char *copy = arena_take(&request->arena, size + 1);
    if (copy == NULL) {
        return false;
    }
    memcpy(copy, uri, size + 1);
    request->query = without_authority(slice_make(copy, size));
    request->path = slice_cut(&request->query, '?');
    return true;
}

bool request_next_parameter(struct slice *query, struct query_parameter *parameter)
{
    while (query->size > 0) {
        struct slice pair = slice_cut(query, '&');
        if (pair.size > 0) {
            parameter->name = slice_cut(&pair, '=');
            parameter->value = pair;
            return true;
        }
    }
    return false;
}

bool request_append_body(struct request *request, const char *data, size_t size)
{
    size_t wanted = request->body_size + size;
    if (wanted > request->body_capacity) {
        size_t capacity = request->body_capacity * 2 > wanted ? request->body_capacity * 2 : wanted;
        char *body = arena_take(&request->arena, capacity);
        if (body == NULL) {
            return false;
        }
        if (request->body_size > 0) {
            memcpy(body, request->body, request->body_size);
        }
        request->body = body;
        request->body_capacity = capacity;
    }
    memcpy(request->body + request->body_size, data, size);
    request->body_size = wanted;
    return true;
}

struct text request_text(struct request *request, size_t capacity)
{
    char *memory = arena_take(&request->arena, capacity);
    return text_over(memory, memory == NULL ? 0 : capacity);
}
