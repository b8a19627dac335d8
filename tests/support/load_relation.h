/* RSVPs and likes under load: requests filled in, answers read, without cmocka's jumps. */
#ifndef RSVPD_TESTS_LOAD_RELATION_H
#define RSVPD_TESTS_LOAD_RELATION_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"
#include "relation.h"

/* A POST names its user in the body, a DELETE in the query. id is that of the event or post. */
void load_ask_write(struct load_request *request, uint16_t port, const struct relation *relation,
                    bool join, const char *id, const char *user);
void load_ask_member(struct load_request *request, uint16_t port, const struct relation *relation,
                     const char *id, const char *user);
/* max_stale_ms of -1 is left out of the request. */
void load_ask_count(struct load_request *request, uint16_t port, const struct relation *relation,
                    const char *id, int max_stale_ms);
/* All that is held about the user. */
void load_ask_erasure(struct load_request *request, uint16_t port, const char *user);

/* These read a success; false, and a violation, when it is not exactly what the contract says. */

struct load_write {
    bool changed;
    int64_t count;
};
bool load_read_write(const struct load_exchange *exchange, const struct relation *relation,
                     bool join, const char *id, const char *user, struct load_write *write);

bool load_read_member(const struct load_exchange *exchange, const struct relation *relation,
                      const char *id, const char *user, bool *is_in);

/* The same of an event with a waiting list: is_in is whether the user goes or waits. */
bool load_read_queued_write(const struct load_exchange *exchange, bool join, const char *id,
                            const char *user, struct load_write *write);
bool load_read_queued_member(const struct load_exchange *exchange, const char *id, const char *user,
                             bool *is_in);

bool load_read_erasure(const struct load_exchange *exchange, const char *user, bool *complete);

struct load_count {
    int64_t count;
    int64_t as_of_us; /* on the clock of load_now_us */
    bool stale;
};
bool load_read_count(const struct load_exchange *exchange, const struct relation *relation,
                     const char *id, struct load_count *count);

/* What a request that the service could not carry out says about it. */
enum load_refusal {
    REFUSAL_NONE,    /* no such error: a success, or something that must not be */
    REFUSAL_UNDONE,  /* 503 store-unavailable or overloaded: nothing was done */
    REFUSAL_UNKNOWN, /* 504 outcome-unknown: it may have been done */
};
enum load_refusal load_read_refusal(const struct load_answer *answer);

/* Fails the test unless every counter row of both relations is the number of its rows. For the
 * main thread. */
void expect_counters_equal_rows(const char *database_url);

#endif
