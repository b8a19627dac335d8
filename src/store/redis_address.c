/* Where Redis is.
 *
 * DESIGN: a primary that failed over is demoted by its sentinels, which end its connections. One
 * that is cut off from them is not: it goes on with whoever still reaches it, alone. So while a
 * connection is in use sentinels are asked every few seconds whether the primary is still there. */
#include "rsvpd/store/redis_address.h"

#include "rsvpd/base/clock.h"
#include "rsvpd/store/redis_lookup.h"
#include "rsvpd/store/redis_sentinel.h"

#include <assert.h>
#include <stdlib.h>

enum { ASK_AGAIN_AFTER_US = 5 * 1000 * 1000 };

struct redis_address {
    uv_loop_t *loop;
    struct redis_address_setup setup;
    struct redis_address_owner owner;
    struct redis_url url;          /* while files are read the pool's thread's */
    struct redis_tls_context *tls; /* of the URL; NULL: without TLS. Like the URL the thread's */
    const char *tls_reason;        /* why there is none though the URL asks for it */
    uv_work_t read_files;
    struct redis_lookup lookup;
    unsigned attempt; /* which of the name's addresses is next */
    const char *host; /* that is being looked up, or was */
    struct redis_sentinel *sentinel;
    bool asking; /* sentinels are being asked */
    bool wanted; /* a redis_address_find waits for what they tell */
    bool closed;
    int64_t asked_us;              /* when they last answered, or did not; monotonic */
    struct redis_endpoint primary; /* where they last told, and were believed */
};

/* The address is NULL for a Unix socket. */
static void tell_found(struct redis_address *address, const struct sockaddr *at)
{
    const struct redis_link_target target = {
        .address = at, .path = address->url.path, .tls = address->tls, .host = address->host};
    address->owner.found(address->owner.owner, &target);
}

static void tell_failed(struct redis_address *address, const char *reason)
{
    address->owner.failed(address->owner.owner, reason);
}

/* ---- the host's name ---- */

static void lookup_found(void *address, const struct sockaddr *at)
{
    tell_found(address, at);
}

static void lookup_failed(void *address_, const char *reason)
{
    struct redis_address *address = address_;
    if (address->url.sentinel_count > 0) {
        redis_sentinel_distrust(address->sentinel);
    }
    tell_failed(address, reason);
}

static void look_up(struct redis_address *address, const char *host, int port)
{
    address->host = host;
    redis_lookup_begin(&address->lookup, address->loop, host, port, &address->attempt);
}

/* ---- sentinels ---- */

static void ask_sentinels(struct redis_address *address)
{
    address->asking = true;
    redis_sentinel_ask(address->sentinel, &address->url, address->tls, clock_mono_us());
}

static bool is_same(const struct redis_endpoint *a, const struct redis_endpoint *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static void sentinel_told(void *address_, const struct redis_endpoint *primary)
{
    struct redis_address *address = address_;
    address->asking = false;
    address->asked_us = clock_mono_us();
    if (address->wanted) {
        address->wanted = false;
        address->primary = *primary;
        look_up(address, address->primary.host, address->primary.port);
    } else if (!is_same(primary, &address->primary)) {
        address->owner.moved(address->owner.owner);
    }
}

static void sentinel_failed(void *address_, const char *reason)
{
    struct redis_address *address = address_;
    address->asking = false;
    address->asked_us = clock_mono_us();
    if (address->wanted) {
        address->wanted = false;
        tell_failed(address, reason);
    }
}

static void resolve(struct redis_address *address)
{
    if (address->closed) {
        tell_failed(address, "it is not wanted any more");
    } else if (address->url.path[0] != '\0') {
        tell_found(address, NULL);
    } else if (address->url.sentinel_count > 0) {
        address->wanted = true;
        ask_sentinels(address);
    } else {
        look_up(address, address->url.host, address->url.port);
    }
}

/* ---- files ---- */

static bool url_may_change(const struct redis_address *address)
{
    return address->setup.rotated != NULL && secret_is_in_file(address->setup.rotated);
}

static void read_url(struct redis_address *address)
{
    struct redis_url url;
    const char *problem;
    char *text = secret_now(address->setup.rotated);
    if (text != NULL && redis_url_parse(text, &url, &problem)) {
        address->url = url;
    }
    free(text);
}

static void read_files_on_thread(uv_work_t *work)
{
    struct redis_address *address = work->data;
    if (url_may_change(address)) {
        read_url(address);
    }
    redis_tls_context_destroy(&address->tls);
    if (address->url.tls) {
        address->tls = redis_tls_context_create(&address->setup.tls, &address->tls_reason);
    }
}

static void files_were_read(uv_work_t *work, int status)
{
    struct redis_address *address = work->data;
    if (status != 0) {
        tell_failed(address, uv_strerror(status));
    } else if (address->url.tls && address->tls == NULL) {
        tell_failed(address, address->tls_reason);
    } else {
        resolve(address);
    }
}

/* ---- life ---- */

struct redis_address *redis_address_create(uv_loop_t *loop, const struct redis_address_setup *setup,
                                           struct metrics *metrics,
                                           const struct redis_address_owner *owner)
{
    struct redis_address *address = calloc(1, sizeof *address);
    if (address == NULL) {
        return NULL;
    }
    address->sentinel = redis_sentinel_create(
        loop, metrics,
        &(struct redis_sentinel_owner){
            .owner = address, .told = sentinel_told, .failed = sentinel_failed});
    if (address->sentinel == NULL) {
        free(address);
        return NULL;
    }
    address->loop = loop;
    address->setup = *setup;
    address->owner = *owner;
    address->url = *setup->url;
    address->lookup.owner = address;
    address->lookup.found = lookup_found;
    address->lookup.failed = lookup_failed;
    return address;
}

void redis_address_destroy(struct redis_address **address)
{
    if (*address != NULL) {
        redis_tls_context_destroy(&(*address)->tls);
        redis_sentinel_destroy(&(*address)->sentinel);
        free(*address);
        *address = NULL;
    }
}

void redis_address_find(struct redis_address *address)
{
    assert(!address->wanted && !address->closed);
    if (address->asking) { /* whether it is still there: the answer serves as well */
        address->wanted = true;
        return;
    }
    if (!url_may_change(address) && !address->url.tls) {
        resolve(address);
        return;
    }
    address->read_files.data = address;
    int failed =
        uv_queue_work(address->loop, &address->read_files, read_files_on_thread, files_were_read);
    assert(failed == 0); /* fails for a NULL argument alone */
}

void redis_address_distrust(struct redis_address *address)
{
    redis_sentinel_distrust(address->sentinel);
}

void redis_address_check(struct redis_address *address, int64_t now_us)
{
    if (address->url.sentinel_count > 0 && !address->asking &&
        now_us - address->asked_us > ASK_AGAIN_AFTER_US) {
        ask_sentinels(address);
    }
}

void redis_address_tick(struct redis_address *address, int64_t now_us)
{
    redis_sentinel_tick(address->sentinel, now_us);
}

void redis_address_close(struct redis_address *address)
{
    address->closed = true;
    redis_sentinel_close(address->sentinel);
}

const struct redis_url *redis_address_url(const struct redis_address *address)
{
    return &address->url;
}
