/* Networks as operators write them (CIDR, RFC 4632 and RFC 4291 section 2.3), and which addresses
 * they hold. No I/O. */
#ifndef RSVPD_BASE_CIDR_H
#define RSVPD_BASE_CIDR_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

enum {
    CIDR_NETWORKS_MAX = 256,
    CIDR_ERROR_SIZE_BYTES = 192,
};

/* An IPv6 address in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). */
struct ip_address {
    unsigned char bytes[16];
};

/* Reads an IPv4 address in four decimal numbers, or an IPv6 address without brackets and zone.
 * False where it is neither. */
MUST_CHECK bool ip_address_parse(struct slice text, struct ip_address *address);

/* Whether it is one of IPv4. */
bool ip_address_is_v4(const struct ip_address *address);

struct cidr {
    struct ip_address first;
    unsigned bits; /* of `first` that its addresses have in common: 0 to 128, 96 more for IPv4 */
};

/* All zero: none. */
struct cidr_list {
    struct cidr *at;
    size_t count;
};

/* Reads networks with commas or blanks between them, as in "10.0.0.0/8, 2001:db8::/32, ::1"; an
 * address alone is a network of one. False with `error` filled in, and nothing to free, where one
 * is malformed, has bits behind its prefix, or there is no memory. An empty text holds none. */
MUST_CHECK bool cidr_list_parse(struct cidr_list *list, const char *text,
                                char error[CIDR_ERROR_SIZE_BYTES]);
void cidr_list_free(struct cidr_list *list);

/* Whether one of the networks holds the address. A network of IPv6 holds none of IPv4, however
 * short its prefix. */
bool cidr_list_holds(const struct cidr_list *list, const struct ip_address *address);

#endif
