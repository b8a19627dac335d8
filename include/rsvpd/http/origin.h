/* Which page a request comes from, where a browser sends it. */
#ifndef RSVPD_HTTP_ORIGIN_H
#define RSVPD_HTTP_ORIGIN_H

#include "rsvpd/http/request.h"

/* Whether the request comes from a page of this very origin, or from no page at all: by
 * Sec-Fetch-Site (W3C Fetch Metadata, section 2.3), which no page can set; where a browser does not
 * send it, by Origin (RFC 6454 section 7) and Host. The scheme of our own origin is not known here,
 * behind a proxy that ends TLS: it is taken to be that of Origin. What is malformed, or given more
 * than once, is of another origin. */
bool origin_is_own(const struct request *request);

#endif
