/* What every fuzz target needs. A target defines LLVMFuzzerTestOneInput, as libFuzzer's manual has
 * it; a property that does not hold ends it by an assertion. */
#ifndef RSVPD_TESTS_FUZZ_H
#define RSVPD_TESTS_FUZZ_H

#include "rsvpd/base/text.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as bytes, in memory of just its size. */
static inline struct slice fuzz_input(const uint8_t *data, size_t size)
{
    return slice_make((const char *)data, size);
}

/* As a string in memory of just its size, which ends at its first NUL; the caller frees it. */
char *fuzz_string(struct slice bytes);

/* All bytes as %XX. */
void fuzz_percent_encode(struct text *text, struct slice bytes);

/* Whether the bytes are well-formed UTF-8, by jansson's judgement. */
bool fuzz_is_utf8(struct slice bytes);

#endif
