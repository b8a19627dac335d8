/* Where the keys of tokens come from: a JWK set behind a URL, one in a file, or a secret. What is
 * good is published for the workers; until a newer set is good, the last one stays.
 *
 * DESIGN: One process fetches at most one set at a time, on the loop of its main thread. It does so
 * at the start, every `refresh_s`, and when a token names a key that nobody knows. The latter
 * happens at most every 10 s: a stranger's tokens must not become a flood at the provider's door.
 * After a failure it tries again after a second, and then more and more seldom. Each time has some
 * chance in it, so that many processes do not come at once. */
#ifndef RSVPD_STORE_JWKS_H
#define RSVPD_STORE_JWKS_H

#include "rsvpd/base/metrics.h"
#include "rsvpd/base/published.h"
#include "rsvpd/base/secret.h"

#include <uv.h>

enum { JWKS_ERROR_SIZE_BYTES = 320 };

/* Whether keys can come from there: the URL may be fetched, and the file, if there is one, holds a
 * good set with a key for one of these algorithms (bits of jwt_algorithms_parse). `error` says what
 * of which variable is wrong. Blocks. */
MUST_CHECK bool jwks_source_valid(const char *url, const char *file, unsigned algorithms,
                                  char error[JWKS_ERROR_SIZE_BYTES]);

struct jwks;

struct jwks_setup {
    uv_loop_t *loop;
    const char *url, *file, *secret; /* one of them, the others empty; copied */
    unsigned algorithms;             /* that tokens may have: bits of jwt_algorithms_parse */
    int64_t refresh_s;
    const char *ca_file;     /* as in fetch_setup */
    struct metrics *metrics; /* of the loop's thread */
    struct published *keys;  /* gets values of struct jwk_set; must outlive it */
    uint64_t random_seed;
};

/* Lets go of a published value; for published_create. */
void jwks_destroy_set(void *set);

/* Reads the file, or begins to fetch. NULL where nothing good can come of it; `error` says what of
 * which variable is wrong. */
MUST_CHECK struct jwks *jwks_create(const struct jwks_setup *setup,
                                    char error[JWKS_ERROR_SIZE_BYTES]);

/* Ends what it does in the loop, and waits for nothing. No other thread may ask for keys any more.
 */
void jwks_end(struct jwks *jwks);

/* After the loop has closed. */
void jwks_free(struct jwks **jwks);

/* Asks for a newer set, on any thread, because a token names a key that this one has not. Whether
 * one is fetched now: then it is worth to wait for it. */
bool jwks_want(struct jwks *jwks);

/* Whether a set is being fetched. On any thread. */
bool jwks_is_coming(const struct jwks *jwks);

/* The longest pause after so many failures in a row to fetch it. It doubles, but not beyond 8 s
 * while there are no keys, so that a service that waits for its provider starts soon after it, and
 * never beyond the time after which a set that is here would be read again. */
int64_t jwks_retry_max_ms(unsigned failures, bool keys_are_here, int64_t refresh_s);

/* Reads the file again; the log says why where it fails. Blocks: for any thread but a loop's. */
enum secret_change jwks_read_file(struct jwks *jwks);

/* Puts another secret in force. On any thread. */
enum secret_change jwks_replace_secret(struct jwks *jwks, const char *secret);

#endif
