/* What was asked of a Redis server, and what it sends: commands under way, and its bytes taken
 * apart (RESP2, redis.io/docs/reference/protocol-spec). No I/O.
 *
 * The server is trusted with nothing: bytes that are no answer to what was asked, of just the form
 * and size that it can have, are refused, and end the connection. */
#ifndef RSVPD_STORE_REDIS_EXCHANGE_H
#define RSVPD_STORE_REDIS_EXCHANGE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    REDIS_COMMANDS_MAX = 64, /* under way at a time */
    REDIS_ANSWER_SIZE_MAX_BYTES = 256 * 1024,
};

enum redis_outcome {
    REDIS_ANSWERED,
    REDIS_REFUSED, /* the server answered with an error */
    REDIS_LOST     /* there will be no answer */
};

/* How a command ended. */
struct redis_answer {
    enum redis_outcome outcome;
    const char *refusal; /* why, in words of ours, where it was refused */
    int64_t sent_us;     /* as the command says */
};

/* A command, and who is told of its answer. */
struct redis_command {
    size_t list_size; /* how many values its answer lists; 0: it is one value, which nobody needs */
    /* Each value of the list that is not missing, before the end, and only while the call lasts.
     * May not call back. NULL where list_size is 0. */
    void (*on_value)(void *data, size_t place, struct slice value);
    void (*on_end)(void *data, const struct redis_answer *answer); /* called exactly once */
    void *data;
    int64_t sent_us; /* monotonic */
};

/* A refusal whose kind is not known, or says nothing more. */
extern const char redis_refusal_unknown[];

struct redis_exchange;

/* NULL when memory is exhausted. */
struct redis_exchange *redis_exchange_create(void);
void redis_exchange_destroy(struct redis_exchange **exchange);

/* Notes that a command has been sent. False where too many are under way. */
MUST_CHECK bool redis_exchange_expect(struct redis_exchange *exchange,
                                      const struct redis_command *command);

/* Takes what the server sent, and ends the commands that it answers, in the order in which they
 * were sent. NULL, or what is wrong with it: then the exchange is to be ended. Whoever is told of
 * an answer may send commands and end the exchange, but not destroy it. */
MUST_CHECK const char *redis_exchange_feed(struct redis_exchange *exchange, struct slice bytes);

/* Ends all commands under way, as lost; nothing is taken from then on. */
void redis_exchange_abandon(struct redis_exchange *exchange);

size_t redis_exchange_size(const struct redis_exchange *exchange);

/* When the oldest command under way was sent; there must be one. */
int64_t redis_exchange_oldest_us(const struct redis_exchange *exchange);

#endif
