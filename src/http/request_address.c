/* The address that a request comes from. */
#include "rsvpd/http/request_address.h"
#include "rsvpd/http/connection.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/forwarded.h"
#include "rsvpd/http/header.h"

struct ip_address request_client_address(const struct request *request)
{
    enum { SEEN_MAX = FORWARDED_LINES_MAX + 1 };
    const struct cidr_list *trusted = request->context->trusted_proxies;
    const struct ip_address *peer = &request->client->address;
    struct slice forwarded[SEEN_MAX], x[SEEN_MAX];
    if (trusted == NULL || !cidr_list_holds(trusted, peer)) {
        return *peer;
    }
    struct forwarded_lines forwarded_lines = {
        forwarded, header_values(request, HEADER_FORWARDED, forwarded, SEEN_MAX)};
    struct forwarded_lines x_lines = {x,
                                      header_values(request, HEADER_X_FORWARDED_FOR, x, SEEN_MAX)};
    return forwarded_client(trusted, peer, forwarded_lines, x_lines);
}
