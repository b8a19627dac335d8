/* A line in the log for some of the requests. */
#ifndef RSVPD_HTTP_ACCESS_LOG_H
#define RSVPD_HTTP_ACCESS_LOG_H

#include "rsvpd/http/request.h"

struct access_log {
    int64_t every; /* one of so many requests gets a line; 0: none */
    int64_t sequence;
};

/* A request has ended that took so long; its stream, where that was its answer, was open for
 * `open_us`. */
void access_log_note(struct access_log *log, const struct request *request, int64_t duration_us,
                     int64_t open_us);

#endif
