/* A Redis that sends what it likes: on a Unix socket, on a thread of its own. It answers commands
 * as a Redis without keys does, until a trick of its table says otherwise; each connection plays
 * the next trick. */
#ifndef RSVPD_TESTS_FAKE_REDIS_H
#define RSVPD_TESTS_FAKE_REDIS_H

#include <stdbool.h>
#include <stddef.h>

/* What the trick is played on. A service first publishes a probe and reads it, and goes on only
 * where both are answered. */
enum fake_redis_moment {
    FAKE_REDIS_FIRST,   /* the first answer */
    FAKE_REDIS_UNASKED, /* right behind the answers to the probe */
    FAKE_REDIS_LIST,    /* the answer to a later MGET */
    FAKE_REDIS_BEHIND,  /* behind the answer to a later MGET */
    FAKE_REDIS_VALUE    /* the answer to a later EVAL */
};

struct fake_redis_trick {
    enum fake_redis_moment moment;
    const char *bytes;  /* sent in place of, or behind, the answer; it goes on as before then */
    const char *filler; /* and then this again and again, until the connection ends; or NULL */
    bool closes;        /* and then it closes the connection */
    bool drips;         /* a byte at a time */
};

extern const struct fake_redis_trick fake_redis_tricks[];
extern const size_t fake_redis_trick_count;

struct fake_redis;

/* Plays the tricks from the first, again and again, on the socket of that URL (unix:///path), where
 * nobody listens. The table is the caller's to keep. */
struct fake_redis *fake_redis_create(const char *url, const struct fake_redis_trick *tricks,
                                     size_t count);
/* *fake becomes NULL. */
void fake_redis_destroy(struct fake_redis **fake);
/* How many tricks have been played, and ended with the connection. */
size_t fake_redis_played(const struct fake_redis *fake);
/* Until that is so many; fails after a minute. */
void fake_redis_await(const struct fake_redis *fake, size_t played);

#endif
