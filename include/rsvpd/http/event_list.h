/* GET /v1/events: the events that have settings, page by page. */
#ifndef RSVPD_HTTP_EVENT_LIST_H
#define RSVPD_HTTP_EVENT_LIST_H

#include "rsvpd/http/request.h"

void handle_events(struct request *request);

#endif
