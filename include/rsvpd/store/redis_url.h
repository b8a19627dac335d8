/* REDIS_URL taken apart: redis://[user:password@]host[:port][/db], as IANA registers the scheme,
 * rediss://… for TLS, or unix:///path of a socket. Or the sentinels that know the primary:
 * redis+sentinel://[user:password@]host[:port][,host[:port]…]/name[/db], rediss+sentinel://… for
 * TLS, with ?sentinel_username=…&sentinel_password=… where they want it. */
#ifndef RSVPD_STORE_REDIS_URL_H
#define RSVPD_STORE_REDIS_URL_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>

enum { REDIS_URL_PART_SIZE_BYTES = 256, REDIS_SENTINELS_MAX = 16 };

struct redis_endpoint {
    char host[REDIS_URL_PART_SIZE_BYTES]; /* name or address, without brackets */
    int port;
};

struct redis_url {
    char path[REDIS_URL_PART_SIZE_BYTES]; /* of a Unix socket; empty for TCP */
    char host[REDIS_URL_PART_SIZE_BYTES]; /* name or address, without brackets */
    char user[REDIS_URL_PART_SIZE_BYTES]; /* empty: none */
    char password[REDIS_URL_PART_SIZE_BYTES];
    bool tls; /* rediss://, rediss+sentinel:// */
    int port;
    int database;
    /* Where sentinels are asked; then there is neither path nor host. */
    size_t sentinel_count; /* 0: none are */
    struct redis_endpoint sentinels[REDIS_SENTINELS_MAX];
    char master_name[REDIS_URL_PART_SIZE_BYTES];   /* what they call the primary and its replicas */
    char sentinel_user[REDIS_URL_PART_SIZE_BYTES]; /* their own; empty: none */
    char sentinel_password[REDIS_URL_PART_SIZE_BYTES];
};

/* False where `text` is no such URL; then `problem` says what is wrong, without repeating any of
 * it. */
MUST_CHECK bool redis_url_parse(const char *text, struct redis_url *url, const char **problem);

/* Whether it looks like a name, an IPv4 or an IPv6 address. */
bool redis_url_host_valid(struct slice host);

/* Of a port, 1 to 65535, in digits. */
MUST_CHECK bool redis_url_parse_port(struct slice text, int *port);

#endif
