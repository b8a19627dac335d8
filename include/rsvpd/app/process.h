/* The serving process: workers, admin port, signals, and the orderly end. */
#ifndef RSVPD_APP_PROCESS_H
#define RSVPD_APP_PROCESS_H

#include "rsvpd/base/config.h"
#include "rsvpd/store/pg_secrets.h"
#include "rsvpd/store/redis_url.h"

/* From here on SIGTERM and SIGINT end the process at once, also where it is the first of a
 * container, for which the system would ignore them; SIGHUP, SIGPIPE, SIGUSR1 and SIGUSR2 do
 * nothing. For the time until process_serve, which may have to wait for a database. */
void process_take_signals(void);

/* Serves until a signal ends it. Returns the exit status: 0 after an orderly end, 1 where it could
 * not start, the cause being in the log. */
int process_serve(const struct config *config, const struct redis_url *redis_url,
                  const struct pg_secrets *secrets);

#endif
