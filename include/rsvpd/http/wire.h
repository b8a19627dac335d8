/* What a client sends, checked byte by byte before the HTTP library sees it (RFC 9112): what is
 * malformed or too large is found here, and only what means something here is given on. No I/O and
 * no memory of its own. */
#ifndef RSVPD_HTTP_WIRE_H
#define RSVPD_HTTP_WIRE_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"
#include "rsvpd/domain/problem.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WIRE_HEAD_SIZE_MAX_BYTES =
        14 * 1024,        /* request line, fields and empty line; also of trailers */
    WIRE_FIELDS_MAX = 24, /* those that are given on; lines of a list on end are one */
    WIRE_CHUNK_LINE_SIZE_MAX_BYTES = 256,
    WIRE_EXTENSIONS_SIZE_MAX_BYTES = 4 * 1024, /* of all chunks of a body, with leading zeros */
    WIRE_GROWTH_MAX_BYTES = 128,
};

/* What is wrong with a request. */
enum wire_fault {
    WIRE_SOUND,
    WIRE_TOO_LARGE,
    WIRE_BAD_LINE,
    WIRE_BAD_VERSION,
    WIRE_BAD_FIELD,
    WIRE_TOO_MANY_FIELDS,
    WIRE_BAD_HOST,
    WIRE_HOSTS,
    WIRE_BAD_LENGTH,
    WIRE_BAD_ENCODING,
    WIRE_BAD_FRAMING,
    WIRE_BAD_CHUNK,
    WIRE_BAD_TRAILER,
    WIRE_LATE,
    WIRE_FAULT_COUNT
};

enum wire_state {
    WIRE_START, /* a request line comes, or empty lines before it */
    WIRE_FIELDS,
    WIRE_BODY, /* of a known length */
    WIRE_CHUNK_SIZE,
    WIRE_CHUNK_DATA,
    WIRE_CHUNK_END, /* the line end behind a chunk */
    WIRE_TRAILERS,
    WIRE_REFUSED /* there is a fault: what follows is not looked at */
};

/* One connection's. All zero at its begin. */
struct wire {
    enum wire_state state;
    enum wire_fault fault; /* of the last request that has begun */
    uint64_t requests;     /* that have begun, which is when their first line is given on */
    uint64_t left;         /* bytes of the body, or of its chunk */
    unsigned section_size; /* bytes of the head or the trailers so far; of extensions in a body */
    unsigned line;         /* lines of the head so far */
    uint64_t length;       /* Content-Length, at most INT64_MAX */
    unsigned fields;       /* given on of this head */
    unsigned list;         /* the list that was given on last, one more than its enum header_name;
                            * its line has not ended: further lines may go on with it. Else 0 */
    bool has_host, has_length, chunked;
    bool minor_zero; /* HTTP/1.0 */
    bool close, keep_alive, expects;
};

/* What the HTTP library is to see. */
struct wire_output {
    char *data;
    size_t size; /* so far */
};

/* Takes in what came and adds to `out` what the HTTP library is to see of it. Answers how much was
 * taken: the rest, an incomplete line, comes again in front of what follows. `out` has room for
 * twice `in` and WIRE_GROWTH_MAX_BYTES more.
 *
 * A request with a fault is made one that the library takes, up to where the fault is; whatever
 * comes after that is given on as its body, which does not end. Whoever gets that request refuses
 * it: the fault is noted before anything of it is given on. */
MUST_CHECK size_t wire_feed(struct wire *wire, struct slice in, struct wire_output *out);

/* Refuses a request of which only `line`, a part of its first line, has come in time. `out` is as
 * for wire_feed. */
void wire_expire(struct wire *wire, struct slice line, struct wire_output *out);

/* What a client is told about a fault. */
struct wire_refusal {
    enum problem problem;
    const char *detail; /* NULL: what the problem says by itself */
    bool in_head;       /* it is about one line of the head */
};

/* Indexed by enum wire_fault. */
extern const struct wire_refusal wire_refusals[WIRE_FAULT_COUNT];

#endif
