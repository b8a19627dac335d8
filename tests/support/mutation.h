/* Requests that no decent client sends, made from decent ones by seeded choices. */
#ifndef RSVPD_TESTS_MUTATION_H
#define RSVPD_TESTS_MUTATION_H

#include <stddef.h>

#include "load.h"

enum { MUTATION_SIZE_MAX_BYTES = 2 << 20 };

/* The bytes of one or several requests. */
struct mutant {
    size_t size;
    char bytes[MUTATION_SIZE_MAX_BYTES];
};

/* Changes a text into a mutant by a few mutations; which ones follows from the generator. */
void mutate(struct mutant *mutant, const char *text, struct load_random *random);

#endif
