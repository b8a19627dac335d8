/* Where Redis is: reads REDIS_URL again where it is in a file, and the files of TLS, asks sentinels
 * where the URL names some, and looks the host's name up, none of it on the loop's thread. */
#ifndef RSVPD_STORE_REDIS_ADDRESS_H
#define RSVPD_STORE_REDIS_ADDRESS_H

#include "rsvpd/base/metrics.h"
#include "rsvpd/base/secret.h"
#include "rsvpd/store/redis_link.h"
#include "rsvpd/store/redis_tls.h"
#include "rsvpd/store/redis_url.h"

struct redis_address;

struct redis_address_setup {
    const struct redis_url *url; /* at first; copied */
    struct secret *rotated;      /* REDIS_URL, read again each time; NULL: it stays */
    struct redis_tls_files tls;  /* read each time, where the URL asks for TLS */
};

/* One of the first two is called once for each redis_address_find, from inside of it or of a tick,
 * or from the loop; not after redis_address_close where sentinels were being asked. */
struct redis_address_owner {
    void *owner;
    /* What the target points to stays as it is until the next redis_address_find. */
    void (*found)(void *owner, const struct redis_link_target *target);
    /* `reason` is our own or libuv's, constant. */
    void (*failed)(void *owner, const char *reason);
    /* A sentinel tells another address by now than the one that was found last. */
    void (*moved)(void *owner);
};

/* NULL when memory is exhausted. */
struct redis_address *redis_address_create(uv_loop_t *loop, const struct redis_address_setup *setup,
                                           struct metrics *metrics,
                                           const struct redis_address_owner *owner);

/* After the loop has come to its end. */
void redis_address_destroy(struct redis_address **address);

/* To be called again only after it has called back. */
void redis_address_find(struct redis_address *address);

/* What was found was no use: where sentinels are asked, another one is asked first the next time.
 */
void redis_address_distrust(struct redis_address *address);

/* Asks sentinels, if there are any and it is time, whether the primary is still where it was found
 * last. Not while it is being found. */
void redis_address_check(struct redis_address *address, int64_t now_us);

/* Time-outs of sentinels. To be called every few milliseconds. */
void redis_address_tick(struct redis_address *address, int64_t now_us);

/* Asks no sentinel any more. */
void redis_address_close(struct redis_address *address);

/* As it was found last; its user, password and database are the caller's to send. */
const struct redis_url *redis_address_url(const struct redis_address *address);

#endif
