/* Where a client connects from, and as whom it is counted. */
#include "rsvpd/http/client_address.h"

#include <netinet/in.h>
#include <string.h>

struct ip_address client_address_of(const struct sockaddr *address)
{
    struct ip_address client = {{0}};
    if (address != NULL && address->sa_family == AF_INET6) {
        struct sockaddr_in6 six;
        memcpy(&six, address, sizeof six);
        memcpy(client.bytes, &six.sin6_addr, sizeof client.bytes);
    } else if (address != NULL && address->sa_family == AF_INET) {
        struct sockaddr_in four;
        memcpy(&four, address, sizeof four);
        client.bytes[10] = client.bytes[11] = 0xff;
        memcpy(client.bytes + 12, &four.sin_addr, sizeof four.sin_addr);
    }
    return client;
}

struct ip_address client_address_prefix(const struct ip_address *address)
{
    enum { NETWORK_SIZE_BYTES = 8 };
    struct ip_address prefix = *address;
    if (!ip_address_is_v4(address)) {
        memset(prefix.bytes + NETWORK_SIZE_BYTES, 0, sizeof prefix.bytes - NETWORK_SIZE_BYTES);
    }
    return prefix;
}
