/* Posts documents to whoever is to have them, by libcurl on a thread that may wait for the answer.
 */
#ifndef RSVPD_STORE_HTTP_POST_H
#define RSVPD_STORE_HTTP_POST_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

enum { HTTP_POST_REASON_SIZE_BYTES = 256 };

struct http_post;

struct http_post_setup {
    int64_t connect_timeout_ms; /* 0: as long as all of it */
    int64_t timeout_ms;         /* of all of it */
    /* Whether the transfer is to end now. Asked every now and then: at least once in a second. */
    bool (*gives_up)(const void *owner);
    const void *owner;
};

/* NULL where resources are missing. */
MUST_CHECK struct http_post *http_post_create(const struct http_post_setup *setup);
void http_post_destroy(struct http_post **post);

struct curl_slist; /* libcurl's: fields of a head; NULL: none */

/* Adds one: "name: value", or "name:" against what libcurl would add. It is copied. False where
 * memory is exhausted. */
MUST_CHECK bool http_post_add_field(struct curl_slist **fields, const char *field);
void http_post_free_fields(struct curl_slist **fields);

struct http_post_request {
    const char *url;           /* one that fetch_url_valid lets pass */
    struct curl_slist *fields; /* stay the caller's */
    struct slice body;
};

struct http_post_answer {
    long status;                              /* 0: there is no answer */
    int64_t after_s;                          /* how long the receiver wants to be left alone; 0: it
                                                 does not say */
    char reason[HTTP_POST_REASON_SIZE_BYTES]; /* why there is no answer, or the status in words */
};

/* Blocks. What comes behind the head of the answer is dropped. The connection is kept for the next
 * request. */
void http_post_send(struct http_post *post, const struct http_post_request *request,
                    struct http_post_answer *answer);

#endif
