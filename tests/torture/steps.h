/* What the programs share that torture a running service: requests, each with the answer that is
 * right, and what must hold of the service and its database after them. */
#ifndef RSVPD_TESTS_STEPS_H
#define RSVPD_TESTS_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "fail.h"
#include "http.h"
#include "process.h"
#include "test.h"

enum {
    STEPS_TEXT_SIZE = 16 * 1024,
    STEPS_RECOVERS_WITHIN_MS = PROCESS_BOUND_MS,
    STEPS_FEW = 5,
};

struct step {
    const char *method;
    const char *target; /* '$' stands for what this run alone uses, '^' for the last page's token */
    const char *body;   /* likewise; NULL: none */
    const char *key;    /* idempotency key, or NULL */
    int status;
    const char *answer; /* members that it has; of a list, the ids; NULL: whatever */
};

/* For runs in which connections break. */
extern const struct step steps_few[STEPS_FEW];

/* Every run has words of its own, since what it did is still in caches. */
void steps_new_words(void);

/* The text with the run's own word in place of '$', and the page token in place of '^'. */
const char *steps_own(const char *text, char out[STEPS_TEXT_SIZE]);

/* New words, and calls count from here on (torture_arm). */
void steps_begin_run(void);

/* Waits until the service is well; fails the test if counters are not the numbers of rows. */
void steps_finish_run(void);

/* From here on, answers may differ as if a call had failed: the test itself breaks something. */
void steps_disturb(bool disturbed);

/* Sends the request until its answer is the right one; `crowded`: with many header fields. Fails
 * the test at a wrong answer, and where a write was refused with 503 but something was done. */
void steps_take_one(struct http_client *client, const struct step *step, bool crowded);

/* These in order, by two clients in turn. */
void steps_take(const struct step *steps, size_t count, bool crowded);

/* The one value of a query; to be freed. */
char *steps_query(const char *sql);

/* The service of one worker. Nothing fails meanwhile. */
void steps_start_service(void);

bool steps_service_ended(void);

/* For cmocka: servers and a session of the whole program; and what one case leaves behind. */
int steps_set_up(void **state);
int steps_tear_down(void **state);
int steps_discard(void **state);

/* A case that is run for one group of calls. */
#define STEPS_GROUP_TEST(test, group)                                                              \
    {                                                                                              \
#test " (" #group ")", test, NULL, steps_discard, (void *)(uintptr_t)FAIL_GROUP_##group    \
    }

#endif
