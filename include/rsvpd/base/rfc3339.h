/* Times as RFC 3339 writes them. */
#ifndef RSVPD_BASE_RFC3339_H
#define RSVPD_BASE_RFC3339_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

/* Reads a date-time (RFC 3339 section 5.6) as microseconds since the Unix epoch:
 * 2026-11-22T10:15:30Z, 2026-11-22t11:15:30.123456+01:00. Digits of a fraction past the sixth are
 * cut off. False if the text is anything else, is outside the years 1970 to 9999 in UTC, or is a
 * leap second, which Unix time does not have. */
MUST_CHECK bool rfc3339_parse(struct slice text, int64_t *unix_us);

#endif
