/* What every unit test needs: cmocka with what it wants included before it, and repeatable choices.
 */
#ifndef RSVPD_TESTS_UNIT_H
#define RSVPD_TESTS_UNIT_H

#include "rsvpd/base/random.h"
#include "rsvpd/base/slice.h"
#include "rsvpd/domain/idempotency_key.h"
#include "rsvpd/domain/identifier.h"

#include "test.h"

/* A generator of its own for each stream of choices. All follow from one seed: TEST_SEED, or a
 * fresh one that is printed when first used. */
struct random unit_random(uint64_t stream);

/* A number from 0 to bound - 1. */
unsigned unit_below(struct random *random, unsigned bound);

/* Whether something happens that happens so many times in a hundred. */
bool unit_percent(struct random *random, unsigned percent);

/* The identifier of that text, which must be one. */
struct identifier unit_id(const char *text);

/* The idempotency key of that text. */
struct idempotency_key unit_key(const char *text);

/* The identifier <prefix><number>, as in u17. */
struct identifier unit_numbered_id(const char *prefix, unsigned number);

/* Under this secret hash_bytes gives one hash to all that is not empty, so that nothing but
 * comparing tells keys apart. Fails the test when that is no longer so. */
uint64_t unit_colliding_secret(void);

/* Fails the test, quoting both, where the bytes differ. `name` says which case it is. */
void unit_expect_bytes(const char *name, struct slice got, struct slice expected);
void unit_expect_text(const char *name, struct slice got, const char *expected);

#endif
