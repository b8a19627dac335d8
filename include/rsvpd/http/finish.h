/* What every answer carries, whichever way it goes out. */
#ifndef RSVPD_HTTP_FINISH_H
#define RSVPD_HTTP_FINISH_H

#include "rsvpd/http/request.h"

/* Adds it to an answer that is made. To be called once, just before it is sent. */
void finish_answer(struct request *request);

#endif
