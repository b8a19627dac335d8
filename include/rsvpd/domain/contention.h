/* What waits for locks: which entities are contended, which writes may share a batch because of
 * that, and whose go next.
 *
 * DESIGN: Somebody may hold the lock of one entity for long: a transaction of an operator, an
 * import, a batch of another worker. Whatever is in a batch with a write of it waits, too. So after
 * a batch that waited in vain each of its entities is contended: its writes go by themselves and
 * wait for less long, one such batch at a time, so that all others find a connection that does not
 * wait. It is over once one of them got through. Writes that need admission keep their order
 * whoever holds a lock: those of the contended entity wait, those of other entities pass by, and
 * contended entities get every other turn. */
#ifndef RSVPD_DOMAIN_CONTENTION_H
#define RSVPD_DOMAIN_CONTENTION_H

#include "rsvpd/domain/batcher.h"
#include "rsvpd/domain/entity_set.h"

struct contention {
    struct entity_set entities[RELATION_COUNT]; /* whose locks others held lately */
    struct identifier last_admitted; /* the contended entity whose writes were admitted last */
    bool contended_next;             /* those of contended entities are admitted next */
    size_t in_flight[PATH_COUNT];    /* batches that are under way */
};

/* False when memory is exhausted; to be freed either way. */
MUST_CHECK bool contention_init(struct contention *contention, uint64_t secret);
void contention_free(struct contention *contention);

/* Whether somebody else held the lock lately that the operation needs. */
MUST_CHECK bool contention_has(const struct contention *contention,
                               const struct operation *operation);

/* Whether a batch of that path may be under way besides those that are: of PATH_ADMITTED one goes
 * at a time, so that seats are given in the order of arrival, and of PATH_CONTENDED. */
MUST_CHECK bool contention_lets_go(const struct contention *contention, enum write_path path);

/* Moves operations of a path that has some ready into `batch`, as many as may go together. Writes
 * that turn out to be contended go back, to wait on PATH_CONTENDED: the batch may stay empty. */
void contention_form(struct contention *contention, struct batcher *batcher, enum write_path path,
                     struct batch *batch);

/* A batch is under way, or not any more, however it ended. */
void contention_note_sent(struct contention *contention, const struct batch *batch);
void contention_note_ended(struct contention *contention, const struct batch *batch);

/* An ended batch waited for a lock in vain, any of those that it wants. To be called before it
 * returns to the batcher: its writes are going to wait on PATH_CONTENDED, behind those that came
 * meanwhile; where seats are given each keeps its turn. */
void contention_note_locked(struct contention *contention, struct batcher *batcher,
                            const struct batch *batch);

/* An ended batch is done. */
void contention_note_done(struct contention *contention, const struct batch *batch);

#endif
