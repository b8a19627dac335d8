/* The parameters of a query, by name: each call answers the problem itself where one is not as it
 * must be. Names and values are percent-decoded, once. */
#ifndef RSVPD_HTTP_QUERY_H
#define RSVPD_HTTP_QUERY_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"

/* The value of a parameter that may be given once; data NULL where it is absent. */
MUST_CHECK bool query_value(struct request *request, const char *name, struct slice *value);

/* A whole number from `min` to `max`; `absent` where it is not given. */
MUST_CHECK bool query_number(struct request *request, const char *name, int64_t min, int64_t max,
                             int64_t absent, int64_t *number);

/* Whether a parameter without a value is given. */
MUST_CHECK bool query_flag(struct request *request, const char *name, bool *given);

/* `true` or `false`; false where it is not given. */
MUST_CHECK bool query_boolean(struct request *request, const char *name, bool *value);

/* The identifiers that a repeated parameter gives, in their order, at most `max`, in the arena;
 * size 0 where there is none. */
MUST_CHECK bool query_identifiers(struct request *request, const char *name, size_t max,
                                  struct identifier **ids, size_t *size);

/* The same; one at least must be given. */
MUST_CHECK bool query_some_identifiers(struct request *request, const char *name, size_t max,
                                       struct identifier **ids, size_t *size);

#endif
