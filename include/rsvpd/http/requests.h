/* The requests of one server: their memory, how far each has come, and the time that each step may
 * take. */
#ifndef RSVPD_HTTP_REQUESTS_H
#define RSVPD_HTTP_REQUESTS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/access_log.h"
#include "rsvpd/http/request.h"

/* In each list the one that came into it first stands first. */
struct requests {
    const struct http_context *context;
    struct access_log access_log;
    struct list arriving;
    struct list dropping; /* answered at their heads; their bodies are still coming */
    struct list sending;  /* their answers are on their way */
    struct list resting;  /* streams that have nothing to send */
    struct list woken;    /* streams that may have something to send */
    struct list refused;  /* their clients may still be sending */
    struct list free;     /* for reuse */
    size_t free_count;
    size_t active;  /* have begun and not ended */
    size_t waiting; /* those of them that wait for the service */
    size_t streams; /* those of them that are answered by a stream which has not ended */
};

/* `access_log_every`: as in struct access_log. */
void requests_init(struct requests *requests, const struct http_context *context,
                   int64_t access_log_every);
/* None may be active. */
void requests_close(struct requests *requests);

/* A request begins whose target is `uri`. NULL when memory is exhausted. */
MUST_CHECK struct request *requests_begin(struct requests *requests, struct connection *client,
                                          const char *uri);
/* It is over, answered or not. */
void requests_end(struct requests *requests, struct request *request);

/* It has arrived whole: its time to arrive does not end any more. */
void requests_arrived(struct request *request);
/* It was answered at its head, and what comes of its body is dropped. */
void requests_drop(struct requests *requests, struct request *request, int64_t now_us);
/* It waits for the service. */
void requests_wait(struct requests *requests, struct request *request);
/* Its answer is on its way. */
void requests_send(struct requests *requests, struct request *request, int64_t now_us);
/* Its answer is a stream whose client has no room, that may have something to send, or that has
 * nothing. A client has its time to take what was sent; one that has taken all of it may wait for
 * more for ever. */
void requests_stream_sends(struct requests *requests, struct request *request, int64_t now_us);
void requests_stream_wakes(struct requests *requests, struct request *request);
void requests_stream_rests(struct requests *requests, struct request *request);
/* One whose stream rests; NULL where there is none. */
struct request *requests_resting(const struct requests *requests);
/* Any whose socket is ours; NULL where there is none. */
struct request *requests_any_outlet(const struct requests *requests);
/* It was answered before it had arrived whole. */
void requests_refuse(struct requests *requests, struct request *request, int64_t now_us);

/* One that has not arrived in time; NULL where there is none. It is to be refused, with its answer
 * where it has one. */
struct request *requests_overdue(const struct requests *requests, int64_t now_us);
/* Ends the connections of clients that do not take their answers, or go on sending after a refusal,
 * for too long. A stream is woken, and ends like one whose client has left. */
void requests_end_slow(struct requests *requests, int64_t now_us);

#endif
