/* The invariants: what must hold whatever the stores, the clients and the clocks do. Each is called
 * where it can be broken; one that does not hold ends the process by world_fail. */
#ifndef RSVPD_SIM_CHECKS_H
#define RSVPD_SIM_CHECKS_H

#include "clients.h"
#include "postgres.h"

/* How long after its deadline a request may be answered: the wheel's tick, the worker's, a
 * iteration. */
int64_t checks_patience_us(void);

/* Whether an earlier write of the same pair is under way at its worker. */
bool checks_is_chained(const struct world *world, const struct request *request);

/* A worker sends a batch. */
void checks_sent(struct worker *worker, enum pool pool, const struct batch *batch);

/* A batch has been done. */
void checks_executed(struct world *world, const struct flight *flight);

/* A worker learns how a batch ended for one of its operations. */
void checks_told(struct world *world, const struct item *item, enum batch_outcome end);

/* A request is answered. */
void checks_answered(struct world *world, struct request *request,
                     const struct operation *operation, enum outcome outcome);

/* A worker publishes counts. */
void checks_published(struct worker *worker, const struct redis_count *entries, size_t size);

/* A publication replaces what Redis holds, which is of about the same time. */
void checks_replaced(struct world *world, const struct count *held, const struct count *published);

/* After every step. */
void checks_step(struct world *world);

/* Whether seats are still to be given to those who wait, in steps. */
bool checks_any_promoting(const struct world *world);

/* Whether every operation of every worker is back in its pool. */
bool checks_all_given_back(const struct world *world);

/* After the last one, when everything has had its time to come to its end. */
void checks_end(struct world *world);

#endif
