/* The routes of the service, on both ports. */
#ifndef RSVPD_HTTP_ROUTES_H
#define RSVPD_HTTP_ROUTES_H

#include "rsvpd/base/metrics.h"
#include "rsvpd/http/route.h"

extern const struct route_table routes;

/* Their names in metrics, in the same order. */
void routes_name_all(const char *names[METRICS_ROUTES_MAX]);

#endif
