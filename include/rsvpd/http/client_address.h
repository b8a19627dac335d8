/* Where a client connects from, in a form that is small and can be compared. */
#ifndef RSVPD_HTTP_CLIENT_ADDRESS_H
#define RSVPD_HTTP_CLIENT_ADDRESS_H

#include <sys/socket.h>

enum { CLIENT_ADDRESS_SIZE_BYTES = 16 };

/* An IPv6 address in network order; IPv4 as ::ffff:a.b.c.d (RFC 4291 section 2.5.5.2). All zero
 * where it is neither. Without the port. */
struct client_address {
    unsigned char bytes[CLIENT_ADDRESS_SIZE_BYTES];
};

/* NULL: no address is known. */
struct client_address client_address_of(const struct sockaddr *address);

#endif
