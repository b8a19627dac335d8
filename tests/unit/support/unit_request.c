/* Requests as the server makes them. */
#include "unit_request.h"
#include "unit.h"

#include "rsvpd/http/header.h"

void unit_request_init(struct request *request)
{
    arena_init(&request->arena, request->first_block, sizeof request->first_block);
    list_init(&request->header_fields);
}

void unit_request_note(struct request *request, const char *name, const char *value)
{
    assert_true(header_note(request, slice_of(name), slice_of(value)));
}

const char *unit_request_answered(const struct request *request, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < request->answer.header_count; i++) {
        if (strcmp(request->answer.headers[i].name, name) == 0) {
            assert_null(value);
            value = request->answer.headers[i].value;
        }
    }
    return value;
}
