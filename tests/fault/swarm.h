/* Clients in great number, in a process of their own: what one decent driver cannot be. */
#ifndef RSVPD_TESTS_SWARM_H
#define RSVPD_TESTS_SWARM_H

#include <stdint.h>
#include <sys/types.h>

/* Requests that add one user each to one of many posts, which no one else uses. */
struct swarm_options {
    uint16_t port;
    unsigned connections;
    unsigned rate_per_s; /* 0: the next request as soon as the answer is here */
    int lasts_ms;
    int deadline_ms; /* of the service */
};

/* All of it is of requests answered, or not, within that time. */
struct swarm_result {
    uint64_t sent;
    uint64_t good;    /* 2xx */
    uint64_t refused; /* 503 */
    uint64_t unknown; /* 504 */
    uint64_t other;
    uint64_t broken;     /* the connection ended instead */
    uint64_t not_told;   /* of refused: without Retry-After */
    uint64_t late;       /* past the deadline by more than 100 ms */
    uint64_t refused_us; /* how long refusals took, all together */
    uint64_t worst_us;   /* of all answers */
    int64_t elapsed_ms;
};

struct swarm;

struct swarm *swarm_start(const struct swarm_options *options);
/* Waits for its end. */
void swarm_finish(struct swarm **swarm, struct swarm_result *result);
/* Ends it, for teardown; NULL will do. */
void swarm_kill(struct swarm **swarm);

/* Opens so many connections, and opens again what is closed, until it is killed. */
struct swarm *swarm_hold(uint16_t port, unsigned connections);

#endif
