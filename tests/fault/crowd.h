/* The load under which faults happen: clients that write, look up, count and erase at a steady
 * pace, hold every answer against the ledger, and note how long it took and when success was back.
 */
#ifndef RSVPD_TESTS_CROWD_H
#define RSVPD_TESTS_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "answers.h"
#include "ledger.h"

struct crowd;

enum crowd_kind { CROWD_WRITE, CROWD_LOOKUP, CROWD_COUNT, CROWD_ERASE, CROWD_KINDS };
extern const char *const crowd_kind_names[CROWD_KINDS];

/* The parts of a run, in their order. Each answer belongs to the phase in which it was asked for.
 * Where more than one thing happens, each has a phase from CROWD_DURING on.
 */
enum crowd_phase { CROWD_WARM_UP, CROWD_BEFORE, CROWD_DURING, CROWD_AFTER, CROWD_PHASES = 160 };

/* What may happen to a request, apart from success, from CROWD_DURING on. */
enum {
    CROWD_REFUSALS = 1,  /* 503, 504 */
    CROWD_LOSSES = 2,    /* no answer: the process was killed */
    CROWD_OLD_CLOCK = 4, /* the service's clock is not ours: the age of counts cannot be told */
    CROWD_BALANCER = 8,  /* 502, 503, 504 of a load balancer: as no answer */
};

struct crowd_options {
    uint16_t ports[2]; /* clients are spread over both; the second may be 0 */
    unsigned rate_per_s;
    unsigned tolerated;
    int deadline_ms;              /* of the service */
    const char *certificate_path; /* ask by HTTPS, and trust this one; NULL: by HTTP */
    const char *header;           /* of every request; NULL: none */
};

struct crowd_figures {
    uint64_t acknowledged; /* successes; of counts, fresh ones; of erasures, complete ones */
    uint64_t refused;      /* 503 */
    uint64_t unknown;      /* 504, or no answer; of erasures, 202 */
    uint64_t stale;        /* counts that say so */
    uint64_t failed_own;   /* of refused and unknown: on a client's own event or post */
    struct answers answers;
    uint32_t p50_us; /* of successes, on things that are not hot; of erasures, of all */
    uint32_t p99_us;
};

/* The longest time without an acknowledged write. It belongs to the phase in which it ended: with
 * the next one, or with the run. */
struct crowd_silence {
    int64_t from_us;
    int64_t until_us;
};

struct crowd_report {
    struct crowd_figures figures[CROWD_PHASES][CROWD_KINDS];
    struct crowd_silence silences[CROWD_PHASES];
    int64_t last_write_us[CROWD_PHASES]; /* when the last one was acknowledged; 0: none was */
    int64_t worst_late_us;               /* past the deadline; negative: before it */
    int64_t stalled_us;                  /* how long this program got no processor, all told */
};

/* The ledger stays the caller's, and must live until crowd_destroy. */
struct crowd *crowd_start(struct ledger *ledger, const struct crowd_options *options);
void crowd_set_phase(struct crowd *crowd, enum crowd_phase phase);
/* The fault has ended now: from here on crowd_back_ms counts. Enters CROWD_AFTER. */
void crowd_note_end(struct crowd *crowd);
/* How long after the fault's end the first success was here that no failure followed (by the order
 * in which requests were sent); -1: not yet. */
int crowd_back_ms(const struct crowd *crowd, enum crowd_kind kind);
/* Returns once nothing is on its way; nothing more is asked until crowd_resume. */
void crowd_pause(struct crowd *crowd);
void crowd_resume(struct crowd *crowd);
/* While it pauses: the database was restored to a moment between these two. Returns how many writes
 * were acknowledged after the first. */
unsigned crowd_rewind(struct crowd *crowd, int64_t from_us, int64_t until_us);
/* While it pauses: when the last write was acknowledged. */
int64_t crowd_last_write_us(const struct crowd *crowd);
/* A client's service is at this port from now on. */
void crowd_set_port(struct crowd *crowd, unsigned index, uint16_t port);
/* Lets the requests on their way end; fails the test on a violation. */
void crowd_finish(struct crowd *crowd, struct crowd_report *report);
/* For teardown as well. */
void crowd_destroy(struct crowd **crowd);
/* Whether a client has found a violation: nothing more is sent then. */
bool crowd_has_ended(const struct crowd *crowd);

#endif
