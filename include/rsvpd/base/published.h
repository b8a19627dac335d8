/* A value that threads read all the time and one thread replaces now and then: a set of keys, for
 * example. A value is never changed once it is published.
 *
 * DESIGN: A reader keeps a reference to the value that it read last. So one atomic load says
 * whether there is a newer one, and only then it takes a lock to change its reference. A value is
 * destroyed when the publisher and all readers have let go of it; a reader that does not read keeps
 * its last one. */
#ifndef RSVPD_BASE_PUBLISHED_H
#define RSVPD_BASE_PUBLISHED_H

#include "rsvpd/base/contract.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct published;
struct published_value;

/* Of one thread. Its fields are its own, but for the version. */
struct published_reader {
    struct published *published;
    struct published_value *held; /* NULL: none was published yet */
    uint64_t version;             /* of the value that was read last; 0: none. It only grows */
};

/* `destroy` is called with each value, on the thread that lets go of it last. NULL when memory is
 * exhausted. */
struct published *published_create(void (*destroy)(void *value));

/* After all its readers have ended. */
void published_destroy(struct published **published);

/* Puts `value` in the place of the one before, and owns it from now on. NULL takes that one out of
 * force: readers find none, as before the first. On any thread. False when memory is exhausted:
 * then the value stays the caller's, and the one before in force. */
MUST_CHECK bool published_replace(struct published *published, void *value);

/* Whether there is a value for readers. On any thread. */
bool published_in_force(const struct published *published);

/* How many values there have been. On any thread. */
uint64_t published_version(const struct published *published);

struct published_reader published_reader_over(struct published *published);

/* The newest value, which lives at least until the next call with this reader. NULL before the
 * first. */
const void *published_read(struct published_reader *reader);

/* Lets go of the value that was read last. */
void published_reader_end(struct published_reader *reader);

#endif
