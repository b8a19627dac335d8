/* Answers what has not arrived whole.
 *
 * DESIGN: libmicrohttpd takes no answer in the middle of a body, none where the head has left it no
 * room for one, and at the head it closes the connection while the body still comes, so that the
 * answer may be lost. So such an answer goes out on the socket directly, where nothing was sent
 * yet, and what still comes is read and dropped. */
#ifndef RSVPD_HTTP_REFUSAL_H
#define RSVPD_HTTP_REFUSAL_H

#include "rsvpd/http/request.h"

/* Sends the answer that was made for the request, and no more after it: the connection ends once
 * the client has sent what it has to send. `reason` is the phrase of the answer's status. */
void refusal_send(struct request *request, const char *reason);

#endif
