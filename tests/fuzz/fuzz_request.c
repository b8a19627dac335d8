/* Whole requests: each is answered as the contract has it, or becomes operations that keep its
 * bounds; /v1 before a path makes no difference, and the link to a next page leads on. The input is
 * a request as text: a line of method and target, lines of headers, an empty line, the body. */
#include "exchange.h"
#include "fuzz.h"

#include <stdlib.h>

enum { TARGET_SIZE_MAX_BYTES = 12 * 1024 }; /* as libmicrohttpd's memory for a head bounds it */

struct parts {
    enum http_method method;
    struct slice target, headers, body;
};

static enum http_method method_named(struct slice name)
{
    int method = 0;
    while (method < HTTP_OTHER && !slice_equal(name, slice_of(http_method_names[method]))) {
        method++;
    }
    return (enum http_method)method;
}

/* The body follows the first empty line. */
static struct parts take_apart(struct slice input)
{
    struct slice line = slice_cut(&input, '\n');
    struct slice method = slice_cut(&line, ' ');
    struct parts parts = {.method = method_named(method), .target = line, .headers = input};
    parts.target.size =
        line.size < TARGET_SIZE_MAX_BYTES ? line.size : (size_t)TARGET_SIZE_MAX_BYTES;
    const char *blank = input.size == 0 ? NULL : memmem(input.data, input.size, "\n\n", 2);
    if (blank != NULL) {
        parts.headers.size = (size_t)(blank + 1 - input.data);
        parts.body = slice_make(blank + 2, input.size - parts.headers.size - 1);
    }
    if (parts.body.size > REQUEST_BODY_SIZE_MAX_BYTES) {
        parts.body.size = REQUEST_BODY_SIZE_MAX_BYTES;
    }
    return parts;
}

static void run(struct exchange *exchange, const struct parts *parts, const char *target,
                enum route_flags port)
{
    struct slice headers = parts->headers;
    exchange_begin(exchange, parts->method, target);
    exchange_add_header(exchange, slice_of("Host"), slice_of("h"));
    while (headers.size > 0) {
        struct slice value = slice_cut(&headers, '\n');
        struct slice name = slice_cut(&value, ':');
        exchange_add_header(exchange, name, slice_trim(value));
    }
    exchange_run(exchange, port, parts->body);
}

/* The same operations came of both, and the same kind of answer. */
static void expect_alike(const struct exchange *a, const struct exchange *b)
{
    assert(a->request.answer.status == b->request.answer.status);
    assert(a->request.route == b->request.route);
    assert(a->submitted == b->submitted);
    for (size_t i = 0; i < a->submitted; i++) {
        const struct operation *x = &a->operations[i], *y = &b->operations[i];
        assert(x->kind == y->kind && x->relation == y->relation);
        assert(identifier_equal(&x->entity, &y->entity) && identifier_equal(&x->user, &y->user));
        if (operation_is_write(x)) {
            assert(idempotency_key_equal(&operation_write(x)->key, &operation_write(y)->key));
        } else if (operation_is_listing(x)) {
            const struct operation_listing *p = operation_listing(x), *q = operation_listing(y);
            assert(identifier_equal(&p->after, &q->after) && p->page_size == q->page_size);
        }
    }
}

static void check_version(const struct exchange *bare, const struct parts *parts,
                          const char *target, enum route_flags port)
{
    static struct exchange versioned;
    if (target[0] != '/' || target[1] == 'v' || target[1] == '%') {
        return;
    }
    char *longer = malloc(strlen(target) + 4);
    assert(longer != NULL);
    stpcpy(stpcpy(longer, "/v1"), target);
    run(&versioned, parts, longer, port);
    expect_alike(bare, &versioned);
    exchange_end(&versioned);
    free(longer);
}

static const char *link_of(const struct exchange *exchange)
{
    const struct answer *answer = &exchange->request.answer;
    for (size_t i = 0; i < answer->header_count; i++) {
        if (strcmp(answer->headers[i].name, "Link") == 0) {
            return answer->headers[i].value;
        }
    }
    return NULL;
}

/* Following the link asks for the page after the line that was the last. */
static void check_link(const struct exchange *first, const struct parts *parts,
                       enum route_flags port)
{
    static struct exchange second;
    const char *link = link_of(first);
    const struct operation *operation = &first->operations[0];
    if (link == NULL || operation_listing(operation)->page == NULL) {
        return; /* an export keeps its pages, and its link leads into any of its parts */
    }
    const struct operation_listing *listing = operation_listing(operation);
    const struct page_line *last = &listing->page->lines[listing->page_size - 2];
    char *target = strndup(link + 1, strcspn(link, ">") - 1);
    assert(target != NULL);
    run(&second, parts, target, port);
    assert(second.submitted == 1 && second.operations[0].kind == operation->kind);
    const struct operation_listing *next = operation_listing(&second.operations[0]);
    assert(next->page_size == listing->page_size);
    assert(operation->kind == OPERATION_LIST_WAITING ? next->after_ticket == last->ticket
                                                     : identifier_equal(&next->after, &last->id));
    exchange_end(&second);
    free(target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum route_flags ports[] = {ROUTE_PUBLIC, ROUTE_ADMIN};
    static struct exchange exchange;
    struct parts parts = take_apart(fuzz_input(data, size));
    char *target = fuzz_string(parts.target);
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++) {
        run(&exchange, &parts, target, ports[i]);
        check_version(&exchange, &parts, target, ports[i]);
        check_link(&exchange, &parts, ports[i]);
        exchange_end(&exchange);
    }
    free(target);
    return 0;
}
