/* Numbers of a JSON text (RFC 8259) as they are written, which its parser no longer knows. */
#ifndef RSVPD_BASE_JSON_NUMBER_H
#define RSVPD_BASE_JSON_NUMBER_H

#include "rsvpd/base/slice.h"

#include <stdbool.h>

/* Whether all of them are integers by their value: 10, 1.0 and 2.5e1 are, 2.5 is not. It looks at
 * the digits, because as a double what is nearly whole looks whole. `text` is valid JSON. */
bool json_numbers_are_whole(struct slice text);

#endif
