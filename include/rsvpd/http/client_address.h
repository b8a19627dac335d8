/* Where a client connects from, and as whom it is counted. */
#ifndef RSVPD_HTTP_CLIENT_ADDRESS_H
#define RSVPD_HTTP_CLIENT_ADDRESS_H

#include "rsvpd/base/cidr.h"

#include <sys/socket.h>

/* Of a socket, without the port. All zero where it is neither IPv4 nor IPv6; NULL: no address is
 * known. */
struct ip_address client_address_of(const struct sockaddr *address);

/* What one client is counted by: an address of IPv4 as it is, of IPv6 its /64, which one client has
 * as a whole (RFC 6177). */
struct ip_address client_address_prefix(const struct ip_address *address);

#endif
