/* Waits for answers for a limited time. */
#include "rsvpd/store/pg_await.h"
#include "rsvpd/base/clock.h"

#include <libpq-fe.h>
#include <poll.h>

bool pg_await_answer(PGconn *connection, int64_t until_us)
{
    while (PQisBusy(connection) != 0) {
        struct pollfd socket = {.fd = PQsocket(connection), .events = POLLIN};
        int64_t left_us = until_us - clock_mono_us();
        if (left_us <= 0 || poll(&socket, 1, (int)(left_us / 1000) + 1) < 0 ||
            PQconsumeInput(connection) != 1) {
            return false;
        }
    }
    return true;
}
