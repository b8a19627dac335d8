/* The span of a traced request. */
#ifndef RSVPD_HTTP_REQUEST_TRACE_H
#define RSVPD_HTTP_REQUEST_TRACE_H

#include "rsvpd/http/request.h"

/* A traced request has ended. */
void request_trace_note(const struct request *request, int64_t end_us);

#endif
