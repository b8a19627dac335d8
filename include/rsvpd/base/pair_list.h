/* Lists of key=value, as OpenTelemetry's variables have them (W3C Baggage, section 3.3.1). */
#ifndef RSVPD_BASE_PAIR_LIST_H
#define RSVPD_BASE_PAIR_LIST_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

enum { PAIR_VALUE_SIZE_MAX_BYTES = 1024 };

/* Cuts the next pair off a list with commas between its pairs, whose values are percent-encoded;
 * the decoded one goes into `value`. False at its end, or with `malformed` set. Blanks around keys
 * and values are left out. */
MUST_CHECK bool pair_list_next(struct slice *list, struct slice *key,
                               char value[PAIR_VALUE_SIZE_MAX_BYTES], size_t *value_size,
                               bool *malformed);

#endif
