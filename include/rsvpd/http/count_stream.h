/* Streams of counts: server-sent events (HTML standard, section 9.2). */
#ifndef RSVPD_HTTP_COUNT_STREAM_H
#define RSVPD_HTTP_COUNT_STREAM_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"
#include "rsvpd/service/hub.h"

#include <stdatomic.h>

/* The limit on streams that all servers of a process share. */
struct stream_limit {
    int64_t max;
    _Atomic int64_t open;
};

/* Of one entity, and of those that the query names. */
void handle_count_stream(struct request *request);
void handle_counts_stream(struct request *request);

/* Makes a count's event; for the hub. */
struct hub_text *count_stream_write(const struct relation *relation,
                                    const struct identifier *entity, const struct count *count);

#endif
