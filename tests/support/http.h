/* HTTP for tests: a client that keeps its connection, and a raw connection for what no decent
 * client sends. Nothing here fails a test by itself, so both may be used from any thread; a client
 * and a raw connection belong to one thread at a time. */
#ifndef RSVPD_TESTS_HTTP_H
#define RSVPD_TESTS_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct http_client;
struct http_raw;

struct http_header {
    char *name;
    char *value;
};

struct http_response {
    int status;      /* 0: no answer; error says why */
    char error[256]; /* of the transport */
    char *path;      /* of the request as sent, without the query */
    char *body;      /* NUL-terminated */
    size_t body_size;
    json_t *json;        /* the body, if it is JSON; duplicate members make it none */
    int new_connections; /* 0: the request went over a connection that was open already */
    struct http_header *headers;
    size_t header_count;
};

/* All members may be left out. */
struct http_options {
    const char *body;
    size_t body_size;           /* 0: the length of body */
    const char *content_type;   /* NULL: application/json with a body; "": none */
    const char *const *headers; /* "Name: value", NULL-terminated */
    bool chunked;               /* send the body with Transfer-Encoding: chunked */
    long timeout_ms;            /* 0: 30 s */
};

/* A client of 127.0.0.1:port; connects with its first request. */
struct http_client *http_client_create(uint16_t port);
void http_client_destroy(struct http_client **client);

/* Sends target (path and query) byte by byte as given and waits for the answer. options may be
 * NULL. The caller frees the response. */
struct http_response *http_request(struct http_client *client, const char *method,
                                   const char *target, const struct http_options *options);
void http_response_free(struct http_response **response);

/* The value of the header, in any case; NULL if it is missing. */
const char *http_header(const struct http_response *response, const char *name);
/* How often it occurs. */
size_t http_header_count(const struct http_response *response, const char *name);

/* NULL if it cannot connect. */
struct http_raw *http_raw_connect(uint16_t port);
/* The same, for a client that takes in so many bytes before it reads, and no more. */
struct http_raw *http_raw_connect_small(uint16_t port, int receive_buffer_bytes);
/* False if the other side closed before all was sent. */
bool http_raw_send(struct http_raw *raw, const void *bytes, size_t size);
bool http_raw_send_text(struct http_raw *raw, const char *text);
/* The next response on the connection (not one to HEAD); the caller frees it. Status 0 when the
 * connection ended or nothing came for timeout_ms. */
struct http_response *http_raw_receive(struct http_raw *raw, int timeout_ms);
/* Sends nothing more, which the other side sees as the end. */
void http_raw_finish(struct http_raw *raw);
/* All that comes until the other side ends the connection, or nothing comes for timeout_ms;
 * NUL-terminated, in the connection's memory. */
const char *http_raw_receive_all(struct http_raw *raw, int timeout_ms, size_t *size);
/* True if the other side closes within timeout_ms without sending any further byte. */
bool http_raw_is_closed(struct http_raw *raw, int timeout_ms);
void http_raw_close(struct http_raw **raw);
/* Hangs up with a reset instead of an orderly close. */
void http_raw_abort(struct http_raw **raw);

#endif
