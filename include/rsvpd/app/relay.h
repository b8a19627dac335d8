/* The process of `rsvpd relay`. */
#ifndef RSVPD_APP_RELAY_H
#define RSVPD_APP_RELAY_H

#include "rsvpd/base/config.h"

/* Tells the target of changes until a signal ends it. `types` are those that are told. Returns the
 * exit status: 0 after an orderly end, 1 where it could not start or cannot go on, the cause being
 * in the log. */
int relay_run(const struct config *config, unsigned types);

#endif
