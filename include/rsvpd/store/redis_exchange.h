/* The exchange with a Redis server: commands in flight, and the parsing of its answers (RESP2,
 * redis.io/docs/reference/protocol-spec). No I/O.
 *
 * The server is not trusted. Bytes that are not an answer to a command, of the type and size that
 * the command allows, are refused, and the connection ends. */
#ifndef RSVPD_STORE_REDIS_EXCHANGE_H
#define RSVPD_STORE_REDIS_EXCHANGE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    REDIS_COMMANDS_MAX = 64, /* in flight */
    REDIS_ANSWER_SIZE_MAX_BYTES = 256 * 1024,
};

enum redis_outcome {
    REDIS_ANSWERED,
    REDIS_REFUSED, /* the server answered with an error */
    REDIS_LOST     /* there will be no answer */
};

/* The end of a command. */
struct redis_answer {
    enum redis_outcome outcome;
    const char *refusal; /* why it was refused, in our own words */
    int64_t sent_us;     /* as the command says */
};

/* A command, and the call-backs for its answer. */
struct redis_command {
    size_t list_size; /* values in its answer; 0: the answer is one value, which is not needed */
    /* The list may have more items, of any kind, which are passed over. */
    bool list_is_open;
    bool list_may_miss; /* nothing may be there in the list's place */
    /* Called with each value that is not missing, before on_end; the value is valid during the
     * call. Must not call this module. NULL if list_size is 0. */
    void (*on_value)(void *data, size_t place, struct slice value);
    void (*on_end)(void *data, const struct redis_answer *answer); /* called exactly once */
    void *data;
    int64_t sent_us; /* monotonic */
};

/* Refusals of an unknown kind, for want of a password, of a wrong one, and for want of a right: as
 * Redis means them, where the URL's user and password are for Redis. */
extern const char redis_refusal_unknown[], redis_refusal_no_password[],
    redis_refusal_wrong_password[], redis_refusal_no_right[];

struct redis_exchange;

/* NULL when memory is exhausted. */
struct redis_exchange *redis_exchange_create(void);
void redis_exchange_destroy(struct redis_exchange **exchange);

/* Notes that a command has been sent. False if too many are in flight. */
MUST_CHECK bool redis_exchange_expect(struct redis_exchange *exchange,
                                      const struct redis_command *command);

/* Parses what the server sent, and ends the commands that it answers, in the order of sending.
 * Returns NULL, or what is wrong with the bytes: then the exchange must be abandoned. Call-backs
 * may send commands and abandon the exchange, but not destroy it. */
MUST_CHECK const char *redis_exchange_feed(struct redis_exchange *exchange, struct slice bytes);

/* Ends all commands in flight as lost. Nothing is parsed from then on. */
void redis_exchange_abandon(struct redis_exchange *exchange);

size_t redis_exchange_size(const struct redis_exchange *exchange);

/* When the oldest command in flight was sent; there must be one. */
int64_t redis_exchange_oldest_us(const struct redis_exchange *exchange);

#endif
