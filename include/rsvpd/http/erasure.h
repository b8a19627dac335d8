/* Erases everything that is held about a user. */
#ifndef RSVPD_HTTP_ERASURE_H
#define RSVPD_HTTP_ERASURE_H

#include "rsvpd/http/request.h"

void handle_erase(struct request *request);

#endif
