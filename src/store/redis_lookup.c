/* Looks the name of a host up, off the loop's thread. */
#include "rsvpd/store/redis_lookup.h"

#include <assert.h>
#include <stdio.h>

enum { PORT_SIZE_BYTES = 8 };

union address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
};

/* A name may have several addresses, as localhost has, and a server at one of them: each attempt
 * takes the next one. */
static const struct sockaddr *next_of(const struct addrinfo *all, unsigned *attempt)
{
    const struct addrinfo *next = all;
    assert(all != NULL); /* getaddrinfo(3) gives one or more */
    for (unsigned i = 0; i < *attempt && next != NULL; i++) {
        next = next->ai_next;
    }
    if (next == NULL) {
        *attempt = 0;
        next = all;
    }
    (*attempt)++;
    return next->ai_addr;
}

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *all)
{
    struct redis_lookup *lookup = request->data;
    lookup->busy = false;
    if (status != 0) {
        lookup->failed(lookup->owner, uv_strerror(status));
    } else {
        lookup->found(lookup->owner, next_of(all, lookup->attempt));
    }
    uv_freeaddrinfo(all);
}

/* Where the host is an address, it waits neither for a thread, as many names may keep all of those
 * that look up, nor for a name server. */
static bool parse_address(const char *host, int port, union address *out)
{
    return uv_ip4_addr(host, port, &out->ipv4) == 0 || uv_ip6_addr(host, port, &out->ipv6) == 0;
}

void redis_lookup_begin(struct redis_lookup *lookup, uv_loop_t *loop, const char *host, int port,
                        unsigned *attempt)
{
    char service[PORT_SIZE_BYTES];
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    union address address;
    assert(!lookup->busy);
    if (parse_address(host, port, &address)) {
        lookup->found(lookup->owner, &address.any);
        return;
    }
    snprintf(service, sizeof service, "%d", port);
    lookup->attempt = attempt;
    lookup->request.data = lookup;
    lookup->busy = true;
    int failed = uv_getaddrinfo(loop, &lookup->request, resolved, host, service, &hints);
    if (failed != 0) {
        lookup->busy = false;
        lookup->failed(lookup->owner, uv_strerror(failed));
    }
}
