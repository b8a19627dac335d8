/* The names that things have in the simulation: entities, users and keys are numbers there. Names
 * are sorted as the numbers are. */
#ifndef RSVPD_SIM_NAMES_H
#define RSVPD_SIM_NAMES_H

#include "rsvpd/domain/idempotency_key.h"
#include "rsvpd/domain/identifier.h"

enum { ENTITIES_MAX = 8, USERS_MAX = 32, KEY_NONE = -1 };

struct identifier name_of(char kind, unsigned number);
struct idempotency_key key_named(unsigned number);

/* The other way round; KEY_NONE for no name. */
int number_of(const struct identifier *name);
int key_number_of(const struct idempotency_key *key);

#endif
