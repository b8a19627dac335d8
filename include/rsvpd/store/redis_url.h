/* REDIS_URL taken apart: redis://[user:password@]host[:port][/db], as IANA registers the scheme,
 * rediss://… for TLS, or unix:///path of a socket. */
#ifndef RSVPD_STORE_REDIS_URL_H
#define RSVPD_STORE_REDIS_URL_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>

enum { REDIS_URL_PART_SIZE_BYTES = 256 };

struct redis_url {
    char path[REDIS_URL_PART_SIZE_BYTES]; /* of a Unix socket; empty for TCP */
    char host[REDIS_URL_PART_SIZE_BYTES]; /* name or address, without brackets */
    char user[REDIS_URL_PART_SIZE_BYTES]; /* empty: none */
    char password[REDIS_URL_PART_SIZE_BYTES];
    bool tls; /* rediss:// */
    int port;
    int database;
};

/* False where `text` is no such URL; then `problem` says what is wrong, without repeating any of
 * it. */
MUST_CHECK bool redis_url_parse(const char *text, struct redis_url *url, const char **problem);

#endif
