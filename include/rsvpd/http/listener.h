/* Listening sockets. */
#ifndef RSVPD_HTTP_LISTENER_H
#define RSVPD_HTTP_LISTENER_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <stdint.h>

enum { LISTENER_ERROR_SIZE_BYTES = 160 };

/* Opens `count` non-blocking sockets that listen on one address and port, among which the kernel
 * spreads the connections (SO_REUSEPORT, socket(7)). False with `error` filled in, and none open,
 * where somebody else listens there or it cannot be done. */
MUST_CHECK bool listener_open(const char *address, uint16_t port, int *fds, int count,
                              char error[LISTENER_ERROR_SIZE_BYTES]);

#endif
