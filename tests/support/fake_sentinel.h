/* A sentinel that answers what it likes: on a port of loopback, on a thread of its own. */
#ifndef RSVPD_TESTS_FAKE_SENTINEL_H
#define RSVPD_TESTS_FAKE_SENTINEL_H

#include <stddef.h>
#include <stdint.h>

struct fake_sentinel;

/* Answers each question with these bytes, which are the caller's to keep; NULL: never; "": it
 * closes the connection. */
struct fake_sentinel *fake_sentinel_create(const char *answer);
/* *fake becomes NULL. */
void fake_sentinel_destroy(struct fake_sentinel **fake);
uint16_t fake_sentinel_port(const struct fake_sentinel *fake);
void fake_sentinel_answer(struct fake_sentinel *fake, const char *answer);
/* How many connections it has had. */
size_t fake_sentinel_asked(const struct fake_sentinel *fake);

#endif
