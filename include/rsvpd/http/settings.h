/* The settings of an event: capacity, waiting list, window. */
#ifndef RSVPD_HTTP_SETTINGS_H
#define RSVPD_HTTP_SETTINGS_H

#include "rsvpd/http/request.h"

void handle_settings(struct request *request);
void handle_configure(struct request *request);
void handle_release(struct request *request);

#endif
