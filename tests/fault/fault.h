/* A fault: what is done to the stand while the crowd uses it, and what is promised about it. */
#ifndef RSVPD_TESTS_FAULT_H
#define RSVPD_TESTS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crowd.h"
#include "stand.h"

enum { VERDICT_SIZE = 2048 };

/* What has been held against the promises so far. */
struct verdict {
    char failures[VERDICT_SIZE]; /* empty: none */
    char figures[VERDICT_SIZE];  /* of this fault alone, to be printed with the others */
};

void verdict_fail(struct verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void verdict_add(struct verdict *verdict, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Members that are 0 or NULL promise, or do, nothing of the kind. */
struct fault {
    const char *name;
    const char *promise;
    unsigned services;  /* 0: one */
    unsigned tolerated; /* of enum in crowd.h; from the fault's begin on */
    int lasts_ms;
    int back_ms; /* success is back so long after its end */
    /* What may stay of a crowd that all asked at once: request objects and operations for reuse,
     * and libpq's buffers. 0: little. */
    int64_t memory_kib;
    bool is_short;                  /* takes seconds, and needs nothing that is not everywhere */
    bool is_remote;                 /* there are relays between the services and the stores */
    double slower_max;              /* writes and look-ups of other events, by their medians */
    const char *const *environment; /* of the services */

    /* Why it cannot be run here; NULL: it can. */
    const char *(*obstacle)(void);
    void (*prepare)(struct stand *stand); /* before the services start */
    /* Puts something in front of the services: the port that the crowd asks. NULL: theirs. */
    uint16_t (*front)(struct stand *stand);
    void (*begin)(struct stand *stand);
    /* What goes on until then, on the clock of process_now_ms. NULL: nothing, it lasts. */
    void (*go_on)(struct stand *stand, int64_t until_ms);
    void (*end)(struct stand *stand); /* returns when the fault is over */
    void (*judge)(struct stand *stand, struct verdict *verdict);
    void (*clean_up)(struct stand *stand); /* whatever happened; before the stand's teardown */
};

extern const struct fault faults_postgres[];
extern const size_t faults_postgres_count;
extern const struct fault faults_redis[];
extern const size_t faults_redis_count;
extern const struct fault faults_service[];
extern const size_t faults_service_count;
extern const struct fault faults_clients[];
extern const size_t faults_clients_count;
extern const struct fault faults_network[];
extern const size_t faults_network_count;

#endif
