/* The settings of an event. */
#ifndef RSVPD_HTTP_SETTINGS_H
#define RSVPD_HTTP_SETTINGS_H

#include "rsvpd/base/json_writer.h"
#include "rsvpd/domain/operation.h"
#include "rsvpd/http/request.h"

/* The members that settings_write writes, with the braces around them. */
enum { SETTINGS_SIZE_MAX_BYTES = IDENTIFIER_SIZE_MAX_BYTES + 416 };

/* Writes the members that an event is shown with. */
void settings_write(struct json_writer *json, const struct identifier *event,
                    const struct event_state *state);

void handle_settings(struct request *request);
void handle_configure(struct request *request);
void handle_release(struct request *request);

#endif
