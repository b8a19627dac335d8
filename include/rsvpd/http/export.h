/* GET /v1/users/{user_id}/export: all that is held about a user, page by page. */
#ifndef RSVPD_HTTP_EXPORT_H
#define RSVPD_HTTP_EXPORT_H

#include "rsvpd/http/request.h"

void handle_export(struct request *request);

#endif
