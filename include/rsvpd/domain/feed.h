/* Changes on their way to a target: one batch is with it, the next gathers; and how far the log of
 * PostgreSQL is done with, which is only told further once all before it is confirmed. */
#ifndef RSVPD_DOMAIN_FEED_H
#define RSVPD_DOMAIN_FEED_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/text.h"
#include "rsvpd/domain/changes.h"

#include <stdbool.h>
#include <stdint.h>

/* A place in the log as PostgreSQL writes it: 0/16B3748. */
enum { FEED_LSN_SIZE_BYTES = 24 };
void feed_write_lsn(uint64_t lsn, char text[FEED_LSN_SIZE_BYTES]);

/* Of a change; a byte of an id becomes up to six in JSON. */
enum { FEED_LINE_SIZE_MAX_BYTES = 2 * CHANGES_ID_SIZE_MAX_BYTES * 6 + 256 };

struct feed_batch {
    struct text lines; /* a change each: JSON, and a line end */
    size_t count;
    uint64_t through_lsn; /* when it is confirmed, all before this is: the last transaction
                           * that ends in it */
    int64_t since_us;     /* Unix time: when the first of it was committed */
    uint64_t counts[CHANGE_TYPE_COUNT];
};

struct feed {
    struct feed_batch batches[2];
    size_t gathering; /* its place; the other one is with the target while `is_sent` */
    bool is_sent;
    size_t batch_max;
    unsigned types;         /* those that are told, as a set of bits */
    uint64_t confirmed_lsn; /* all before it is done with */
};

/* False when memory is exhausted. */
MUST_CHECK bool feed_init(struct feed *feed, size_t batch_max, unsigned types);
void feed_free(struct feed *feed);

/* Whether another change fits. */
bool feed_has_room(const struct feed *feed);

/* Adds a change of the transaction that was committed then, if its type is told. There must be
 * room. */
void feed_add(struct feed *feed, uint64_t commit_lsn, int64_t committed_us,
              const struct change *change);

/* All changes before this place have been added. */
void feed_reach(struct feed *feed, uint64_t lsn);

/* The batch that goes to the target now; NULL where there is none, or one is with it. It stays as
 * it is until feed_confirm. */
const struct feed_batch *feed_send(struct feed *feed);

/* The target has the batch. */
void feed_confirm(struct feed *feed);

/* What has gathered and is not with the target will come again. */
void feed_drop_gathered(struct feed *feed);

/* Places that were reached are in another log than those to come: the confirmation of what is with
 * the target says nothing of this one. */
void feed_forget_places(struct feed *feed);

/* When the oldest change that is not confirmed was committed; 0: there is none. */
int64_t feed_waiting_since_us(const struct feed *feed);

#endif
