/* The routes of the service, on both ports. */
#ifndef RSVPD_HTTP_ROUTES_H
#define RSVPD_HTTP_ROUTES_H

#include "rsvpd/http/route.h"

extern const struct route_table routes;

#endif
