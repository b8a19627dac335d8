/* How many clients a process has room for. */
#ifndef RSVPD_APP_CLIENT_LIMITS_H
#define RSVPD_APP_CLIENT_LIMITS_H

#include "rsvpd/base/config.h"

struct client_limits {
    int64_t connections; /* that are no streams */
    int64_t streams;
};

/* Descriptors that it takes for all the clients of the configuration, and for all else. */
int64_t client_limits_descriptors(const struct config *config);

/* What so many descriptors allow: MAX_CONNECTIONS and MAX_STREAMS, or where they do not reach,
 * fewer streams first, as there may be nobody who opens any. An eighth of all stays for them; then
 * connections give way as well, so that the admin port and the stores always have theirs. At least
 * one connection. */
struct client_limits client_limits_within(const struct config *config, int64_t descriptors);

/* Raises the limit on descriptors as far as the system lets us, and answers what that allows. Says
 * in the log where it does not reach. */
struct client_limits client_limits_find(const struct config *config);

#endif
