/* Events with settings under load: requests filled in, answers read, without cmocka's jumps. */
#ifndef RSVPD_TESTS_LOAD_EVENT_H
#define RSVPD_TESTS_LOAD_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"

/* PUT of the settings with this body, or DELETE of them where it is NULL. */
void load_ask_settings(struct load_request *request, uint16_t port, const char *id,
                       const char *body);

/* What became of a write of one user. */
enum load_verdict {
    VERDICT_WRONG, /* not an answer that the contract has; reported as a violation */
    VERDICT_GOING,
    VERDICT_WAITS,
    VERDICT_OUT,
    VERDICT_FULL,
    VERDICT_CLOSED,
    VERDICT_IN_FLIGHT,
    VERDICT_KEY_REUSED,
};

struct load_event_write {
    enum load_verdict verdict;
    /* of a success */
    bool changed;
    int64_t count;
    int64_t position; /* of who waits, from 1 */
};

/* Reads the answer to a POST (join) or DELETE of an RSVP. */
struct load_event_write load_read_event_write(const struct load_exchange *exchange, bool join,
                                              const char *id, const char *user);

#endif
