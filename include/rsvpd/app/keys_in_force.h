/* Which API keys are in force: the set that was read last, until it is too old to be trusted. Of
 * the main thread; time is an argument. */
#ifndef RSVPD_APP_KEYS_IN_FORCE_H
#define RSVPD_APP_KEYS_IN_FORCE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/published.h"
#include "rsvpd/base/secret.h"
#include "rsvpd/domain/api_keys.h"

enum {
    /* So long the keys stay in force while they cannot be read; then no key is known to be good. */
    KEYS_IN_FORCE_KEPT_US = 600 * 1000 * 1000,
};

struct keys_in_force {
    struct published *published;
    struct published_reader newest_reader, before_reader;
    /* The two sets published last, each held by its reader, in force or not. NULL: there was none.
     * They change in keys_in_force_take alone. */
    const struct api_keys *newest, *before;
    int64_t read_us; /* monotonic: when the reading began that the newest set is known by */
};

/* Those of `published` (struct api_keys), which must outlive it. None is in force yet. */
struct keys_in_force keys_in_force_over(struct published *published);
void keys_in_force_end(struct keys_in_force *keys);

/* Puts those in force that were read by a reading that began at `read_us`, and owns them whatever
 * comes of it. The set before stays in force where it has the same keys, and, as
 * SECRET_FAILED says, where memory is exhausted. */
MUST_CHECK enum secret_change keys_in_force_take(struct keys_in_force *keys, struct api_keys *fresh,
                                                 int64_t read_us);

/* Takes them out of force where the last reading is too old. Whether it did so now. */
bool keys_in_force_expire(struct keys_in_force *keys, int64_t now_us);

#endif
