/* TLS for a connection to Redis (RFC 8446, RFC 5246): turns what is to be sent into records, and
 * records into what was sent. It does no I/O: whoever owns the socket moves the bytes. TLS 1.2 or
 * newer; the server's certificate must be trusted, and be for the host. */
#ifndef RSVPD_STORE_REDIS_TLS_H
#define RSVPD_STORE_REDIS_TLS_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>

/* Paths of PEM files; NULL or empty: none. */
struct redis_tls_files {
    const char *ca;                /* of the authorities that are trusted instead of the system's */
    const char *certificate, *key; /* the client's own; both or none */
};

struct redis_tls_context;
struct redis_tls;

/* Reads the files, which blocks: for any thread but a loop's. NULL with `reason` set to constant
 * words if that fails. */
MUST_CHECK struct redis_tls_context *redis_tls_context_create(const struct redis_tls_files *files,
                                                              const char **reason);
void redis_tls_context_destroy(struct redis_tls_context **context);

/* Begins a connection to that host, a name or an address. The context may be destroyed meanwhile.
 * NULL when memory is exhausted. */
MUST_CHECK struct redis_tls *redis_tls_create(struct redis_tls_context *context, const char *host);
void redis_tls_destroy(struct redis_tls **tls);

/* These answer NULL, or constant words for why the connection must be closed. After each of them
 * there may be something to send. */

/* Takes records that came, and goes on with the handshake. */
MUST_CHECK const char *redis_tls_receive(struct redis_tls *tls, struct slice records);
/* Gives what was sent in the records, as much as fits; `size` is 0 where there is no more. */
MUST_CHECK const char *redis_tls_read(struct redis_tls *tls, char *bytes, size_t capacity,
                                      size_t *size);
/* Makes records of this. Only while it is open. */
MUST_CHECK const char *redis_tls_write(struct redis_tls *tls, struct slice bytes);

/* Whether the handshake has ended. */
bool redis_tls_is_open(const struct redis_tls *tls);

/* How many bytes there are to send; and takes that many of them, one or more. */
size_t redis_tls_unsent(const struct redis_tls *tls);
void redis_tls_take(struct redis_tls *tls, char *bytes, size_t size);

#endif
