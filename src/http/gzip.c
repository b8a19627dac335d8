/* Compresses answers. */
#include "rsvpd/http/gzip.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/header.h"

#include <stdlib.h>
#include <zlib.h>

enum {
    LEVEL = 1, /* a longer search takes thrice the time, to make a listing a tenth smaller */
    WINDOW_BITS = 15,
    GZIP_FORMAT = 16, /* added to the window's bits (zlib.h, deflateInit2) */
    MEMORY_LEVEL = 8,
    WEIGHT_ONE = 1000,
    WEIGHT_UNKNOWN = -1,
};

struct gzip {
    z_stream stream;
};

struct gzip *gzip_create(void)
{
    struct gzip *gzip = calloc(1, sizeof *gzip);
    if (gzip != NULL && deflateInit2(&gzip->stream, LEVEL, Z_DEFLATED, WINDOW_BITS + GZIP_FORMAT,
                                     MEMORY_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(gzip);
        gzip = NULL;
    }
    return gzip;
}

void gzip_destroy(struct gzip **gzip)
{
    if (*gzip != NULL) {
        (void)deflateEnd(&(*gzip)->stream);
        free(*gzip);
        *gzip = NULL;
    }
}

/* ---- whether the client wants it ---- */

/* A qvalue (RFC 9110 section 12.4.2) in thousandths; one that is malformed is none: 0. */
static int parse_weight(struct slice text)
{
    if (text.size == 0 || text.size > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
        (text.size > 1 && text.data[1] != '.')) {
        return 0;
    }
    int weight = text.data[0] == '1' ? WEIGHT_ONE : 0;
    int place = WEIGHT_ONE / 10;
    for (size_t i = 2; i < text.size; i++, place /= 10) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return 0;
        }
        weight += (text.data[i] - '0') * place;
    }
    return weight > WEIGHT_ONE ? 0 : weight;
}

/* "gzip ; q=0.5": the name, and how gladly it is taken. */
static struct slice parse_coding(struct slice element, int *weight)
{
    struct slice name = slice_trim(slice_cut(&element, ';'));
    *weight = WEIGHT_ONE;
    while (element.size > 0) {
        struct slice parameter = slice_cut(&element, ';');
        struct slice key = slice_trim(slice_cut(&parameter, '='));
        if (slice_equal_nocase(key, slice_of("q"))) {
            *weight = parse_weight(slice_trim(parameter));
        }
    }
    return name;
}

/* How gladly each is taken; WEIGHT_UNKNOWN where it is not named. */
struct wishes {
    int gzip, identity, others;
};

static void note_coding(struct wishes *wishes, struct slice element)
{
    int weight;
    struct slice name = parse_coding(element, &weight);
    if (slice_equal_nocase(name, slice_of("gzip")) ||
        slice_equal_nocase(name, slice_of("x-gzip"))) { /* RFC 9110 section 8.4.1.3 */
        wishes->gzip = weight;
    } else if (slice_equal_nocase(name, slice_of("identity"))) {
        wishes->identity = weight;
    } else if (slice_equal(name, slice_of("*"))) {
        wishes->others = weight;
    }
}

bool gzip_is_accepted(const struct request *request)
{
    const struct header_field *field = NULL;
    struct slice line;
    struct wishes wishes = {WEIGHT_UNKNOWN, WEIGHT_UNKNOWN, WEIGHT_UNKNOWN};
    while (header_next(request, HEADER_ACCEPT_ENCODING, &field, &line)) {
        while (line.size > 0) {
            note_coding(&wishes, slice_cut(&line, ','));
        }
    }
    int weight = wishes.gzip != WEIGHT_UNKNOWN ? wishes.gzip : wishes.others;
    return weight > 0 && weight >= wishes.identity;
}

/* ---- the answer ---- */

void gzip_answer(struct gzip *gzip, struct request *request)
{
    struct answer *answer = &request->answer;
    if (!answer->compressible || answer->body.size <= ANSWER_COMPRESSED_SIZE_MIN_BYTES ||
        !gzip_is_accepted(request)) {
        return;
    }
    char *compressed = arena_take(&request->arena, answer->body.size);
    if (compressed == NULL || deflateReset(&gzip->stream) != Z_OK) {
        return;
    }
    gzip->stream.next_in = (unsigned char *)answer->body.data;
    gzip->stream.avail_in = (unsigned)answer->body.size;
    gzip->stream.next_out = (unsigned char *)compressed;
    gzip->stream.avail_out = (unsigned)answer->body.size;
    if (deflate(&gzip->stream, Z_FINISH) == Z_STREAM_END) {
        answer->body = slice_make(compressed, answer->body.size - gzip->stream.avail_out);
        answer_add_header(request, "Content-Encoding", "gzip");
    }
}
