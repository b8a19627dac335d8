/* The host that a client names, as it stands in Host (RFC 9110 section 7.2). */
#ifndef RSVPD_HTTP_HOST_H
#define RSVPD_HTTP_HOST_H

#include "rsvpd/base/slice.h"

#include <stdbool.h>

/* Whether it is a name, an IPv4 address or an IPv6 address in brackets, with or without a port.
 * A list is none, nor is a name with an encoded byte that means something in a URI. */
bool host_is_valid(struct slice text);

#endif
