/* One document over HTTP, by libcurl in a loop of libuv.
 *
 * DESIGN: Only what the address says is talked to: no redirect is followed, and no proxy of the
 * environment is used. https is held to certificates that are trusted; http is for loopback alone,
 * where nobody can listen or answer in between. Size and time are bounded. */
#ifndef RSVPD_STORE_FETCH_H
#define RSVPD_STORE_FETCH_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <uv.h>

enum { FETCH_ERROR_SIZE_BYTES = 256, FETCH_SHOWN_SIZE_BYTES = 512 };

/* Whether the URL is https, or http to loopback (127.0.0.0/8, ::1, localhost); `error` says why
 * not, without the URL. */
MUST_CHECK bool fetch_url_valid(const char *url, char error[FETCH_ERROR_SIZE_BYTES]);

/* The URL as it may be logged: without user, password, query and fragment. */
void fetch_url_show(const char *url, char shown[FETCH_SHOWN_SIZE_BYTES]);

/* Sets what every transfer of ours (a CURL *) has: HTTPS verified from TLS 1.2 on, or HTTP; no
 * redirects, no proxy, no signals. `fields` (a struct curl_slist *) stays the caller's, and is used
 * by the transfer. False where memory is exhausted. */
MUST_CHECK bool fetch_set_common(void *transfer, void *fields);

struct fetch;

struct fetch_setup {
    uv_loop_t *loop;
    const char *ca_file; /* certificates of authorities that are trusted instead of the system's;
                          * NULL or empty: the system's. Read with each fetch */
    size_t size_max;     /* of a document */
    int64_t timeout_ms;  /* from the look-up of the name to the last byte */
    /* Called once for each fetch that began and was not cut short by fetch_destroy. `reason` is
     * NULL where the document is what was asked for, or else says why not: then the document is
     * what came with another status than 200, or its data is NULL. It lives as long as the call. */
    void (*done)(void *owner, struct slice document, const char *reason);
    void *owner;
};

/* NULL where resources are missing. */
MUST_CHECK struct fetch *fetch_create(const struct fetch_setup *setup);

/* Cuts short what is under way, and waits for nothing. The rest happens in the loop. */
void fetch_destroy(struct fetch **fetch);

/* Begins to fetch. Not while one is under way. False where memory is exhausted. */
MUST_CHECK bool fetch_begin(struct fetch *fetch, const char *url);

bool fetch_is_under_way(const struct fetch *fetch);

#endif
