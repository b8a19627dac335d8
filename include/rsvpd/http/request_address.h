/* The address that a request comes from, behind the proxies that are trusted. */
#ifndef RSVPD_HTTP_REQUEST_ADDRESS_H
#define RSVPD_HTTP_REQUEST_ADDRESS_H

#include "rsvpd/base/cidr.h"
#include "rsvpd/http/request.h"

/* The client's own, whole: what it is counted by is its client_address_prefix. */
struct ip_address request_client_address(const struct request *request);

#endif
