/* How fast a queue moves: when its next batch may go, and who may still join. */
#ifndef RSVPD_DOMAIN_PACE_H
#define RSVPD_DOMAIN_PACE_H

#include "rsvpd/domain/batcher.h"

enum {
    /* How long what arrives waits for the batch before it, so that batches grow, before another
     * connection takes it: longer than most batches take, short beside what anyone notices. */
    BATCH_DELAY_US = 10 * 1000,
    /* How long nothing is sent because every iteration brings more that can go with it. */
    LINGER_US = 1000,
    /* Of the time left, what whoever joins a queue may have to wait: the rest is for the answer's
     * way, and for what the pace did not foretell. What waits until its deadline is done for
     * nobody. */
    WAIT_PERCENT_MAX = 75,
};

/* Of the batches of one queue and path; times are monotonic. All zero at the beginning. */
struct pace {
    int64_t delayed_until_us; /* while a batch is under way and young, else 0 */
    int64_t ended_us;         /* when one ended last */
    int64_t interval_us; /* smoothed time from one's end to the next one's, of those that wait */
};

/* Whether whoever joins now can hope to be answered well before a deadline that is `left_us` ahead.
 * `waiting` are in the queue, of whom `batch_max` go at a time. One who is alone there is let in,
 * to find out. */
MUST_CHECK bool pace_admits(const struct pace *pace, size_t waiting, unsigned batch_max,
                            int64_t left_us);

/* Whether the next batch may go, though others are under way. */
MUST_CHECK bool pace_lets_go(const struct pace *pace, int64_t now_us);

/* A batch was sent. Where more wait than it had room for they need not wait for its end. */
void pace_note_sent(struct pace *pace, bool more_wait, int64_t now_us);

/* A batch ended. */
void pace_note_ended(struct pace *pace, const struct batch *batch, int64_t now_us);

/* How long a loop gathers what comes iteration after iteration. All zero at the beginning. */
struct linger {
    bool more_arrived; /* since the last iteration */
    int64_t until_us;  /* monotonic: what came is sent then at the latest; 0: none came */
};

void linger_note_arrival(struct linger *linger);

/* At the end of an iteration: whether those who come one iteration after the other may go on coming
 * before anything is sent. */
MUST_CHECK bool linger_goes_on(struct linger *linger, int64_t now_us);

#endif
