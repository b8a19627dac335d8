/* The serving process: workers, admin port, signals, and the orderly end. */
#ifndef RSVPD_APP_PROCESS_H
#define RSVPD_APP_PROCESS_H

#include "rsvpd/base/config.h"
#include "rsvpd/store/pg_secrets.h"
#include "rsvpd/store/redis_url.h"

/* Serves until a signal ends it. Returns the exit status: 0 after an orderly end, 1 where it could
 * not start, the cause being in the log. */
int process_serve(const struct config *config, const struct redis_url *redis_url,
                  const struct pg_secrets *secrets);

#endif
