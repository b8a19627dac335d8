/* Which hosts a connection string names, with the environment and files. */
#ifndef RSVPD_STORE_PG_HOSTS_H
#define RSVPD_STORE_PG_HOSTS_H

#include "rsvpd/base/contract.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): libpq's own name */
struct _PQconninfoOption; /* libpq's PQconninfoOption */

/* What the options say of a keyword; empty where they do not. */
const char *pg_hosts_option(const struct _PQconninfoOption *options, const char *keyword);

struct pg_host {
    const char *name, *address; /* host, hostaddr; empty: not given */
    const char *port;
};

struct pg_hosts {
    struct _PQconninfoOption *options; /* all, but for the ports */
    char *names, *addresses, *ports;
    struct pg_host *at; /* parts of those */
    size_t count;
    int64_t timeout_us; /* connect_timeout; 0: none */
};

/* Reads what these keywords and values say, whose last keyword is dbname: a connection string.
 * Asks nobody, but may read files. False with `message` filled in where they are not in order, or
 * memory is exhausted. What it was given may be freed then; *hosts is to be freed either way. */
MUST_CHECK bool pg_hosts_read(const char *const *keywords, const char *const *values,
                              struct pg_hosts *hosts, char *message, size_t size);
void pg_hosts_free(struct pg_hosts *hosts);

/* How many hosts the connection string, the environment and files name together; 0 where that
 * cannot be told. */
size_t pg_hosts_count(const char *url);

#endif
