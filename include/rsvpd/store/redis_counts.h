/* The commands by which counts are read from Redis and published to it. */
#ifndef RSVPD_STORE_REDIS_COUNTS_H
#define RSVPD_STORE_REDIS_COUNTS_H

#include "rsvpd/store/redis_words.h"

/* Both take 1 to REDIS_COUNTS_MAX entries. */

/* Answers with a list of the values, one for each entry. */
void redis_counts_write_read(struct redis_words *words, const char *namespace,
                             const struct redis_count *entries, size_t size);

/* Stores the counts for `ttl_ms`, but those than which Redis holds a newer one. Answers with their
 * number, or with the first error. */
void redis_counts_write_publication(struct redis_words *words, const char *namespace,
                                    int64_t ttl_ms, const struct redis_count *entries, size_t size);

/* The same of one key that is no entity's, to find out whether Redis works. */
void redis_counts_write_probe_read(struct redis_words *words, const char *namespace,
                                   uint64_t probe);
void redis_counts_write_probe_publication(struct redis_words *words, const char *namespace,
                                          int64_t ttl_ms, uint64_t probe,
                                          const struct count *count);

#endif
