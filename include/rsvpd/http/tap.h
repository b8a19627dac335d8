/* Lets libmicrohttpd read from its clients only what http/wire gives on. */
#ifndef RSVPD_HTTP_TAP_H
#define RSVPD_HTTP_TAP_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/wire.h"

/* Of one server. */
struct tap;

/* What has been read from one connection, and is not with the library yet. All zero at its begin;
 * at its end tap_remove gives its memory back. */
struct tap_stream {
    struct wire wire;
    char *bytes;         /* NULL: nothing */
    size_t ready_size;   /* of these: checked, and waiting for room in the library */
    size_t pending_size; /* behind them: a line that has not come whole */
    /* A request has come whole and is not answered. Meanwhile the library is not told that the
     * client sends no more: it would close, and send nothing. */
    bool answer_due;
    bool ended; /* the client sends no more */
};

/* Whether libmicrohttpd reads through us in this process. */
bool tap_is_in_place(void);

/* `began(owner, stream)` hears of a part of a request's first line that has come. NULL when memory
 * is exhausted; destroying that is nothing. */
struct tap *tap_create(void (*began)(void *owner, struct tap_stream *stream), void *owner);
void tap_destroy(struct tap **tap);

/* From here on what comes from the socket goes through the stream, which must live until it is
 * removed. False when memory is exhausted. */
MUST_CHECK bool tap_add(struct tap *tap, int fd, struct tap_stream *stream);
void tap_remove(struct tap *tap, int fd, struct tap_stream *stream);

/* Whether a part of a request's first line has come, and no more. */
bool tap_has_begun(const struct tap_stream *stream);
/* Makes of this a request that is to be refused, which the library gets when it reads next. False
 * when memory is exhausted. */
MUST_CHECK bool tap_expire(struct tap *tap, struct tap_stream *stream);

/* Around every call of this thread in which the library may read. */
void tap_open(struct tap *tap);
void tap_close(struct tap *tap);

#endif
