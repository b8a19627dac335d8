/* Targets of requests: path, query and parameters are all of it; numbers and identifiers come out
 * as they were written, or a problem is answered. */
#include "fuzz.h"

#include "rsvpd/http/query.h"
#include "rsvpd/http/routes.h"

#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_MIN = 1, NUMBER_MAX = 1000, NUMBER_ABSENT = -1, IDS_MAX = 4 };

static const char id_name[] = "event_id", number_name[] = "page_size", flag_name[] = "verbose";

static struct request *begin(const char *uri)
{
    static struct request request;
    request = (struct request){.route = &routes.at[0]};
    arena_init(&request.arena, request.first_block, sizeof request.first_block);
    bool kept = request_set_uri(&request, uri);
    assert(kept);
    return &request;
}

/* How often a parameter is given. */
static size_t occurrences(const struct request *request, const char *name)
{
    struct slice query = request->query;
    struct query_parameter parameter;
    size_t count = 0;
    while (request_next_parameter(&query, &parameter)) {
        count += slice_equal(parameter.name, slice_of(name));
    }
    return count;
}

/* Whether a call that refuses answered a problem, and one that takes did not. */
static void expect_answered(const struct request *request, bool taken)
{
    assert(request->answer.status == (taken ? 0u : 400u));
}

/* The parameters, joined again, are the same parameters. */
static void check_parameters(const char *uri)
{
    struct request *request = begin(uri);
    size_t size = request->query.size;
    char *joined = malloc(2 * size + 2);
    struct text text = text_over(joined, 2 * size + 2);
    struct slice query = request->query, again;
    struct query_parameter parameter, same;
    while (request_next_parameter(&query, &parameter)) {
        text_add(&text, parameter.name);
        text_add_cstr(&text, "=");
        text_add(&text, parameter.value);
        text_add_cstr(&text, "&");
    }
    assert(!text.truncated);
    query = request->query;
    again = text_slice(&text);
    while (request_next_parameter(&query, &parameter)) {
        bool more = request_next_parameter(&again, &same);
        assert(more && slice_equal(parameter.name, same.name));
        assert(slice_equal(parameter.value, same.value));
        assert(memchr(parameter.name.data, '&', parameter.name.size) == NULL);
    }
    assert(!request_next_parameter(&again, &same));
    assert(request->path.size == 0 || memchr(request->path.data, '?', request->path.size) == NULL);
    free(joined);
    arena_reset(&request->arena);
}

static void check_number(const char *uri)
{
    struct request *request = begin(uri);
    struct slice value;
    int64_t number;
    bool taken = query_number(request, number_name, NUMBER_MIN, NUMBER_MAX, NUMBER_ABSENT, &number);
    size_t count = occurrences(request, number_name);
    expect_answered(request, taken);
    assert(!taken || count <= 1);
    if (taken && count == 1) {
        char printed[24];
        bool single = query_value(request, number_name, &value);
        snprintf(printed, sizeof printed, "%0*lld", (int)value.size, (long long)number);
        assert(single && number >= NUMBER_MIN && number <= NUMBER_MAX);
        assert(slice_equal(value, slice_of(printed)));
    } else if (taken) {
        assert(number == NUMBER_ABSENT);
    }
    arena_reset(&request->arena);
}

static void check_flag(const char *uri)
{
    struct request *request = begin(uri);
    bool given = false;
    bool taken = query_flag(request, flag_name, &given);
    expect_answered(request, taken);
    assert(!taken || given == (occurrences(request, flag_name) == 1));
    arena_reset(&request->arena);
}

static void check_identifiers(const char *uri)
{
    struct request *request = begin(uri);
    struct identifier *ids, again;
    size_t size;
    bool taken = query_identifiers(request, id_name, IDS_MAX, &ids, &size);
    size_t count = occurrences(request, id_name);
    expect_answered(request, taken);
    assert(!taken || (size == count && size <= IDS_MAX));
    for (size_t i = 0; taken && i < size; i++) {
        bool valid = identifier_parse(identifier_slice(&ids[i]), &again);
        assert(valid);
    }
    arena_reset(&request->arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *uri = fuzz_string(fuzz_input(data, size));
    check_parameters(uri);
    check_number(uri);
    check_flag(uri);
    check_identifiers(uri);
    free(uri);
    return 0;
}
