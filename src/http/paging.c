/* What all that comes in pages has in common. */
#include "rsvpd/http/paging.h"
#include "rsvpd/base/uri.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/query.h"

enum {
    /* The longest path is one whose every byte came percent-encoded. */
    LINK_SIZE_BYTES = 3 * (IDENTIFIER_SIZE_MAX_BYTES + 32) + PAGE_TOKEN_SIZE_BYTES + 64,
};

bool paging_read(struct request *request, size_t *page_size, struct slice *token)
{
    int64_t size;
    if (!query_number(request, "page_size", 1, PAGING_SIZE_MAX, PAGING_SIZE_DEFAULT, &size) ||
        !query_value(request, "page_token", token)) {
        return false;
    }
    *page_size = (size_t)size;
    return true;
}

bool paging_accept(struct request *request, enum problem problem)
{
    if (problem != PROBLEM_NONE) {
        answer_problem(request, problem,
                       problem == PROBLEM_INTERNAL
                           ? NULL
                           : "the query parameter 'page_token' is not one that this listing gave: "
                             "begin without it");
    }
    return problem == PROBLEM_NONE;
}

/* NULL without memory for it. */
static const char *next_link(struct request *request, const char *token, size_t page_size)
{
    struct text link = request_text(request, LINK_SIZE_BYTES);
    text_add_cstr(&link, "<");
    uri_add_path(&link, request->path);
    text_add_format(&link, "?page_size=%zu&page_token=%s>; rel=\"next\"", page_size, token);
    if (link.truncated || link.size == link.capacity) {
        return NULL;
    }
    link.data[link.size] = '\0';
    return link.data;
}

void paging_write_next(struct request *request, struct json_writer *body, const char *token,
                       size_t page_size)
{
    json_write_string(body, "next_page_token", slice_of(token));
    const char *link = next_link(request, token, page_size);
    if (link != NULL) {
        answer_add_header(request, "Link", link);
    }
}
