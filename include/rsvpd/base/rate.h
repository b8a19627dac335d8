/* How often something may happen, as an operator writes it: `off`, or `N/S`, N times in S seconds.
 */
#ifndef RSVPD_BASE_RATE_H
#define RSVPD_BASE_RATE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdint.h>

enum { RATE_REQUESTS_MAX = 1000000, RATE_SECONDS_MAX = 86400 };

struct rate {
    int64_t requests; /* 1 to RATE_REQUESTS_MAX; 0: there is no limit */
    int64_t seconds;  /* 1 to RATE_SECONDS_MAX; 0 without a limit */
};

/* What a value must look like, for people. */
#define RATE_RULE "off or N/S: N from 1 to 1000000 requests in S from 1 to 86400 seconds"

/* False where the text is not what RATE_RULE says. */
MUST_CHECK bool rate_parse(struct slice text, struct rate *rate);

#endif
