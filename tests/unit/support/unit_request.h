/* Requests as the server makes them, for tests of what looks at them and answers them. */
#ifndef RSVPD_TESTS_UNIT_REQUEST_H
#define RSVPD_TESTS_UNIT_REQUEST_H

#include "rsvpd/http/request.h"

/* Gives a request, whose other members are set already, its memory and room for header fields. It
 * is given back by arena_reset of its arena. */
void unit_request_init(struct request *request);

/* Adds a header field, as it came. */
void unit_request_note(struct request *request, const char *name, const char *value);

/* The value of the one field of that name in its answer; NULL: there is none. More than one fails
 * the test. */
const char *unit_request_answered(const struct request *request, const char *name);

#endif
