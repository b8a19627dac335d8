/* Which address a client has behind proxies: Forwarded (RFC 7239) and X-Forwarded-For.
 *
 * DESIGN: what a proxy adds stands to the right of what it got, and only what a trusted proxy added
 * can be believed. So we begin with the peer of the connection; while the address at hand is that
 * of a trusted proxy, the next one is what this proxy wrote: the last element that we have not
 * looked at. The first address that is none of a trusted proxy is the client's. Where an element is
 * malformed, missing or names nobody, whoever wrote it is the last whom we know: that proxy counts.
 *
 * A proxy writes one of the two headers and passes the other on as its client sent it, and nothing
 * tells which. So where both are there, they must agree: else the peer itself counts. A client that
 * adds the header that the proxy does not write is then counted as the proxy, together with all who
 * do so, but never as an address of its choice. */
#ifndef RSVPD_HTTP_FORWARDED_H
#define RSVPD_HTTP_FORWARDED_H

#include "rsvpd/base/cidr.h"

enum {
    FORWARDED_HOPS_MAX = 16,  /* proxies in a row; what comes from beyond is not looked at */
    FORWARDED_LINES_MAX = 16, /* of one header; with more of them the peer counts */
};

/* The lines of one header, in the order in which they came. */
struct forwarded_lines {
    const struct slice *at;
    size_t count;
};

/* The address that the lines of Forwarded, or of X-Forwarded-For, give for who connects from
 * `peer`. */
struct ip_address forwarded_address(const struct cidr_list *trusted, const struct ip_address *peer,
                                    struct forwarded_lines lines);
struct ip_address forwarded_x_address(const struct cidr_list *trusted,
                                      const struct ip_address *peer, struct forwarded_lines lines);

/* The address of both together. */
struct ip_address forwarded_client(const struct cidr_list *trusted, const struct ip_address *peer,
                                   struct forwarded_lines forwarded, struct forwarded_lines x);

#endif
