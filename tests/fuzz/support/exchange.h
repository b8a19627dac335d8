/* A request through the gate and the handlers without a server: what libmicrohttpd and the service
 * would be is played here, and every operation ends well. */
#ifndef RSVPD_TESTS_FUZZ_EXCHANGE_H
#define RSVPD_TESTS_FUZZ_EXCHANGE_H

#include "rsvpd/domain/operation.h"
#include "rsvpd/http/route.h"

#include <jansson.h>

enum { EXCHANGE_HEADERS_MAX = 16, EXCHANGE_OPERATIONS_MAX = 100 };

struct exchange_header {
    char *name, *value;
};

struct exchange {
    struct request request;
    struct exchange_header headers[EXCHANGE_HEADERS_MAX];
    size_t header_count;
    size_t taken, submitted;                              /* operations */
    struct operation operations[EXCHANGE_OPERATIONS_MAX]; /* as they were submitted, in order */
    json_t *body;                                         /* of the answer, where it is JSON */
};

/* Begins a request; target is a string. exchange_end() gives back what it holds. */
void exchange_begin(struct exchange *exchange, enum http_method method, const char *target);
/* Past EXCHANGE_HEADERS_MAX headers are dropped. */
void exchange_add_header(struct exchange *exchange, struct slice name, struct slice value);
/* Sends it and ends the operations that it makes; fails where what is submitted or answered is not
 * as the contract has it. The body stays the caller's until exchange_end(). */
void exchange_run(struct exchange *exchange, enum route_flags port, struct slice body);
void exchange_end(struct exchange *exchange);

/* The code of the problem that was answered; NULL where none was. */
const char *exchange_problem(const struct exchange *exchange);

#endif
