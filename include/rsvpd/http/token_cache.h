/* Tokens that were found to be good, so that the next request with one costs no signature check. Of
 * one thread.
 *
 * DESIGN: A token is found by a keyed hash and compared whole. Only good ones are kept, so a flood
 * of bad ones pushes nobody out. It holds a bounded number of bytes; the one that was used least
 * recently goes first. */
#ifndef RSVPD_HTTP_TOKEN_CACHE_H
#define RSVPD_HTTP_TOKEN_CACHE_H

#include "rsvpd/base/clock.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"
#include "rsvpd/domain/access.h"

enum { TOKEN_CACHE_LIFETIME_US = 60 * 1000 * 1000 };

struct token_cache;

/* For about `size_max_bytes` of tokens and what they say. NULL when memory is exhausted. */
struct token_cache *token_cache_create(size_t size_max_bytes, uint64_t secret);
void token_cache_destroy(struct token_cache **cache);

/* Whose token it is, if it was kept under this version of the keys and is still good; lives until
 * the next call of token_cache_keep. NULL where it must be checked. */
const struct principal *token_cache_find(struct token_cache *cache, struct slice token,
                                         uint64_t version, struct instant now);

/* Keeps a token that was checked with this version of the keys, for TOKEN_CACHE_LIFETIME_US or
 * until it expires (`good_until_s`, Unix time), whichever comes first. Where memory is exhausted it
 * is checked again the next time. */
void token_cache_keep(struct token_cache *cache, struct slice token, uint64_t version,
                      const struct principal *principal, int64_t good_until_s, struct instant now);

/* How many bytes it holds. */
size_t token_cache_size(const struct token_cache *cache);

#endif
