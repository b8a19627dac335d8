/* What of a client's bytes is given on, in whatever pieces they come. */
#include "unit.h"

#include "rsvpd/http/wire.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }
#define NOTHING_FITS "Content-Length:9223372036854775807\r\n\r\n"
#define NO_HOST "Host:-\r\n" /* where none has been given on */
#define LAST_CHUNK "7fffffffffffffff\r\n"

enum { OUTPUT_MAX_BYTES = 256 * 1024 };

/* ---- feeding ---- */

struct fed {
    struct wire wire;
    char *bytes; /* given on */
    size_t size;
    char *held; /* not taken yet */
    size_t held_size;
};

static void feed(struct fed *fed, struct slice piece)
{
    struct slice all = slice_make(NULL, fed->held_size + piece.size);
    char *in = malloc(all.size + 1); /* of its own, so that nothing behind it is read unseen */
    struct wire_output out = {.data = malloc(2 * all.size + WIRE_GROWTH_MAX_BYTES)};
    memcpy(in, fed->held, fed->held_size);
    memcpy(in + fed->held_size, piece.data, piece.size);
    all.data = in;
    size_t taken = wire_feed(&fed->wire, all, &out);
    assert_true(fed->size + out.size <= OUTPUT_MAX_BYTES);
    memcpy(fed->bytes + fed->size, out.data, out.size);
    fed->size += out.size;
    fed->held_size = all.size - taken;
    memmove(in, in + taken, fed->held_size);
    free(fed->held);
    fed->held = in;
    free(out.data);
}

static struct fed feed_begin(void)
{
    return (struct fed){.bytes = malloc(OUTPUT_MAX_BYTES), .held = malloc(1)};
}

static void feed_end(struct fed *fed)
{
    free(fed->bytes);
    free(fed->held);
}

static struct fed feed_split(struct slice in, size_t first)
{
    struct fed fed = feed_begin();
    feed(&fed, slice_make(in.data, first));
    feed(&fed, slice_make(in.data + first, in.size - first));
    return fed;
}

static struct fed feed_bytes(struct slice in)
{
    struct fed fed = feed_begin();
    for (size_t i = 0; i < in.size; i++) {
        feed(&fed, slice_make(in.data + i, 1));
    }
    return fed;
}

/* The same has been given on, and the same is expected next. */
static void expect_same(const struct fed *a, const struct fed *b, const char *what, size_t where)
{
    if (!slice_equal(slice_make(a->bytes, a->size), slice_make(b->bytes, b->size)) ||
        a->held_size != b->held_size || a->wire.state != b->wire.state ||
        a->wire.fault != b->wire.fault || a->wire.requests != b->wire.requests) {
        fail_msg("%s: cut at byte %zu it becomes '%.*s' (fault %d) instead of '%.*s' (fault %d)",
                 what, where, (int)b->size, b->bytes, (int)b->wire.fault, (int)a->size, a->bytes,
                 (int)a->wire.fault);
    }
}

/* Feeds it whole, in two pieces cut anywhere, and byte by byte: that makes no difference. */
static struct fed feed_every_way(struct slice in)
{
    struct fed whole = feed_split(in, in.size);
    for (size_t i = 0; i < in.size; i++) {
        struct fed split = feed_split(in, i);
        expect_same(&whole, &split, in.data, i);
        feed_end(&split);
    }
    struct fed bytes = feed_bytes(in);
    expect_same(&whole, &bytes, in.data, 1);
    feed_end(&bytes);
    return whole;
}

static void expect_output(const struct fed *fed, struct slice wanted, const char *what)
{
    if (!slice_equal(slice_make(fed->bytes, fed->size), wanted)) {
        fail_msg("'%s' becomes '%.*s' instead of '%.*s'", what, (int)fed->size, fed->bytes,
                 (int)wanted.size, wanted.data);
    }
}

/* ---- what is sound ---- */

#define HEAD "POST /a HTTP/1.1\r\nHost:h\r\n"
#define CHUNKED HEAD "Transfer-Encoding:chunked\r\n\r\n"

static void sound_requests_are_given_on(NO_STATE)
{
    static const struct {
        struct slice in, out;
    } cases[] = {
        {TEXT("GET /a?b HTTP/1.1\r\nHost: h\r\n\r\n"), TEXT("GET /a?b HTTP/1.1\r\nHost:h\r\n\r\n")},
        /* What means nothing here is dropped. */
        {TEXT(
             "GET / HTTP/1.1\r\nCookie: a=b; c\r\nHost: h\r\nUser-Agent: x\r\nX: \xC3\xA4\r\n\r\n"),
         TEXT("GET / HTTP/1.1\r\nHost:h\r\n\r\n")},
        /* Blanks around values, of any kind and number. */
        {TEXT("GET / HTTP/1.1\r\nhost: \t h \t\r\nX-User-Id:u1 \r\n\r\n"),
         TEXT("GET / HTTP/1.1\r\nhost:h\r\nX-User-Id:u1\r\n\r\n")},
        {TEXT("GET / HTTP/1.1\r\nHost:h\r\nX-User-Id:\r\nX-Request-Id: \t \r\n\r\n"),
         TEXT("GET / HTTP/1.1\r\nHost:h\r\nX-User-Id:\r\nX-Request-Id:\r\n\r\n")},
        /* Lines of a list are one, also with what is dropped between them; other lines are not. */
        {TEXT("GET / HTTP/1.1\r\nHost: h\r\nIf-Match: \"a\"\r\nX: "
              "y\r\nif-match:\"b\"\r\nIf-Match:\r\n"
              "If-None-Match:c\r\nIf-Match: d\r\nX-User-Id:u\r\nX-User-Id:u\r\n\r\n"),
         TEXT("GET / HTTP/1.1\r\nHost:h\r\nIf-Match:\"a\", \"b\", "
              "\r\nIf-None-Match:c\r\nIf-Match:d\r\n"
              "X-User-Id:u\r\nX-User-Id:u\r\n\r\n")},
        {TEXT("GET / HTTP/1.1\r\nHost:h\r\nAccept-Encoding: br\r\nConnection: close\r\n\r\n"),
         TEXT("GET / HTTP/1.1\r\nHost:h\r\nAccept-Encoding:br\r\nConnection:close\r\n\r\n")},
        /* Empty lines before, single line feeds, versions. */
        {TEXT("\r\n\nGET / HTTP/1.1\nHost: h\n\n"), TEXT("GET / HTTP/1.1\r\nHost:h\r\n\r\n")},
        {TEXT("GET / HTTP/1.0\r\n\r\n"), TEXT("GET / HTTP/1.0\r\n\r\n")},
        {TEXT("GET / HTTP/1.7\r\nHost: h\r\n\r\n"), TEXT("GET / HTTP/1.1\r\nHost:h\r\n\r\n")},
        {TEXT("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"),
         TEXT("OPTIONS * HTTP/1.1\r\nHost:h\r\n\r\n")},
        {TEXT("GET hTTp://a:80?b HTTP/1.1\r\nHost: h\r\n\r\n"),
         TEXT("GET hTTp://a:80?b HTTP/1.1\r\nHost:h\r\n\r\n")},
        /* The connection. */
        {TEXT("GET / HTTP/1.1\r\nConnection: TE, Close ,x\r\nHost: h\r\n\r\n"),
         TEXT("GET / HTTP/1.1\r\nHost:h\r\nConnection:close\r\n\r\n")},
        {TEXT("GET / HTTP/1.0\r\nconnection:Keep-Alive\r\n\r\n"),
         TEXT("GET / HTTP/1.0\r\nConnection:keep-alive\r\n\r\n")},
        {TEXT("GET / HTTP/1.0\r\nConnection:keep-alive\r\nConnection: close\r\n\r\n"),
         TEXT("GET / HTTP/1.0\r\nConnection:close\r\n\r\n")},
        /* Bodies of known length, and what follows them. */
        {TEXT(
             "POST /a HTTP/1.1\r\nContent-Length: 003\t \r\nHost: h\r\n\r\nx\nyGET / HTTP/1.0\n\n"),
         TEXT(HEAD "Content-Length:3\r\n\r\nx\nyGET / HTTP/1.0\r\n\r\n")},
        {TEXT("POST /a HTTP/1.1\r\nContent-Length:0\r\nHost: h\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
         TEXT(HEAD "Content-Length:0\r\n\r\nGET / HTTP/1.0\r\n\r\n")},
        {TEXT("POST /a HTTP/1.1\r\nContent-Length: 99999999999999999999\r\nHost: h\r\n\r\nx"),
         TEXT(HEAD "Content-Length:9223372036854775807\r\n\r\nx")},
        {TEXT("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue \r\nContent-Length:1\r\n\r\nx"),
         TEXT(HEAD "Content-Length:1\r\nExpect:100-continue\r\n\r\nx")},
        {TEXT("POST /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n"), TEXT(HEAD "\r\n")},
        /* Chunks: sizes are made anew, extensions and trailers dropped. */
        {TEXT("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tCHUNKED \r\n\r\n"
              "003\r\na\nb\r\n00A;a ; b=c\t; d = \"e\\\";\xC3\"\r\n0123456789\r\n0;x\r\n"
              "Trailer: x\r\nContent-Length: 5\r\n\r\nGET / HTTP/1.0\r\n\r\n"),
         TEXT(CHUNKED "3\r\na\nb\r\na\r\n0123456789\r\n0\r\n\r\nGET / HTTP/1.0\r\n\r\n")},
        {TEXT("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
         TEXT(CHUNKED "0\r\n\r\n")},
        {TEXT("POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n"),
         TEXT(CHUNKED)},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct fed fed = feed_every_way(cases[i].in);
        expect_output(&fed, cases[i].out, cases[i].in.data);
        assert_int_equal(fed.wire.fault, WIRE_SOUND);
        feed_end(&fed);
    }
}

/* ---- what is not ---- */

#define GET "GET / HTTP/1.1\r\n"
#define REFUSED_GET GET NO_HOST NOTHING_FITS

static void faulty_requests_are_given_on_as_ones_to_refuse(NO_STATE)
{
    static const struct {
        struct slice in, out; /* behind `out` comes what follows the fault */
        enum wire_fault fault;
    } cases[] = {
        {TEXT("GARBAGE\r\n"), TEXT(REFUSED_GET "GARBAGE\r\n"), WIRE_BAD_LINE},
        {TEXT("GET  / HTTP/1.1\r\n"), TEXT(REFUSED_GET "GET  / HTTP/1.1\r\n"), WIRE_BAD_LINE},
        {TEXT("GET / \r\n"), TEXT(REFUSED_GET "GET / \r\n"), WIRE_BAD_LINE},
        {TEXT("GET /\r\n"), TEXT(REFUSED_GET "GET /\r\n"), WIRE_BAD_LINE},
        {TEXT("GET / HTTP/1.1 \r\n"), TEXT(REFUSED_GET "GET / HTTP/1.1 \r\n"), WIRE_BAD_LINE},
        {TEXT("GET / http/1.1\r\n"), TEXT(REFUSED_GET "GET / http/1.1\r\n"), WIRE_BAD_LINE},
        {TEXT("HEAD /a?b HTTP/2.0\r\n"),
         TEXT("HEAD /a HTTP/1.1\r\n" NO_HOST NOTHING_FITS "HEAD /a?b HTTP/2.0\r\n"),
         WIRE_BAD_VERSION},
        {TEXT("PUT /a\0/b HTTP/1.1\r\n"),
         TEXT("PUT /a HTTP/1.1\r\n" NO_HOST NOTHING_FITS "PUT /a\0/b HTTP/1.1\r\n"), WIRE_BAD_LINE},
        {TEXT("\x16\x03\x01\n"), TEXT(REFUSED_GET "\x16\x03\x01\n"), WIRE_BAD_LINE},
        {TEXT("GET http://u@h/ HTTP/1.1\r\n"),
         TEXT("GET http://u@h/ HTTP/1.1\r\n" NO_HOST NOTHING_FITS "GET http://u@h/ HTTP/1.1\r\n"),
         WIRE_BAD_HOST},
        {TEXT(GET "Host: h\r\nA : b\r\n"), TEXT(GET "Host:h\r\n" NOTHING_FITS "A : b\r\n"),
         WIRE_BAD_FIELD},
        {TEXT(GET ": b\r\n"), TEXT(REFUSED_GET ": b\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "A\r\n"), TEXT(REFUSED_GET "A\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET " A: b\r\n"), TEXT(REFUSED_GET " A: b\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "A: b\r\n c\r\n"), TEXT(REFUSED_GET " c\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "A: b\rc\r\n"), TEXT(REFUSED_GET "A: b\rc\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "A: b\r\r\n"), TEXT(REFUSED_GET "A: b\r\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "A: b\0c\r\n"), TEXT(REFUSED_GET "A: b\0c\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "A\0: b\r\n"), TEXT(REFUSED_GET "A\0: b\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "A: \x7F\r\n"), TEXT(REFUSED_GET "A: \x7F\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "H\xC3st: h\r\n"), TEXT(REFUSED_GET "H\xC3st: h\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "Host: a b\r\n"), TEXT(REFUSED_GET "Host: a b\r\n"), WIRE_BAD_HOST},
        {TEXT(GET "Host: a\r\nHost: a\r\n"), TEXT(GET "Host:a\r\n" NOTHING_FITS "Host: a\r\n"),
         WIRE_HOSTS},
        {TEXT(GET "\r\n"), TEXT(REFUSED_GET "\r\n"), WIRE_HOSTS},
        {TEXT(GET "Host:h\r\nIf-Match:\"a\"\r\nA\r\n"),
         TEXT(GET "Host:h\r\nIf-Match:\"a\"\r\n" NOTHING_FITS "A\r\n"), WIRE_BAD_FIELD},
        {TEXT(GET "If-Match:\"a\"\r\n\r\n"),
         TEXT(GET "If-Match:\"a\"\r\n" NO_HOST NOTHING_FITS "\r\n"), WIRE_HOSTS},
        {TEXT(GET "Content-Length:\r\n"), TEXT(REFUSED_GET "Content-Length:\r\n"), WIRE_BAD_LENGTH},
        {TEXT(GET "Content-Length: +1\r\n"), TEXT(REFUSED_GET "Content-Length: +1\r\n"),
         WIRE_BAD_LENGTH},
        {TEXT(GET "Content-Length: 1, 1\r\n"), TEXT(REFUSED_GET "Content-Length: 1, 1\r\n"),
         WIRE_BAD_LENGTH},
        {TEXT(GET "Transfer-Encoding: gzip, chunked\r\n"),
         TEXT(REFUSED_GET "Transfer-Encoding: gzip, chunked\r\n"), WIRE_BAD_ENCODING},
        {TEXT(GET "Host:h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"),
         TEXT(GET "Host:h\r\n" NOTHING_FITS "Content-Length: 1\r\n\r\nx"), WIRE_BAD_FRAMING},
        {TEXT(GET "Host:h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
         TEXT(GET "Host:h\r\n" NOTHING_FITS "Transfer-Encoding: chunked\r\n\r\n"),
         WIRE_BAD_FRAMING},
        {TEXT("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
         TEXT("GET / HTTP/1.0\r\n" NO_HOST NOTHING_FITS "\r\n"), WIRE_BAD_ENCODING},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct fed fed = feed_every_way(cases[i].in);
        expect_output(&fed, cases[i].out, cases[i].in.data);
        assert_int_equal(fed.wire.fault, cases[i].fault);
        assert_int_equal(fed.wire.requests, 1);
        feed_end(&fed);
    }
}

static void faulty_chunks_are_given_on_as_one_without_end(NO_STATE)
{
    static const struct {
        struct slice body, out;
        enum wire_fault fault;
    } cases[] = {
        {TEXT("zz\r\n"), TEXT(LAST_CHUNK "zz\r\n"), WIRE_BAD_CHUNK},
        {TEXT("\r\n"), TEXT(LAST_CHUNK "\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1\n"), TEXT(LAST_CHUNK "1\n"), WIRE_BAD_CHUNK},
        {TEXT("0x1\r\n"), TEXT(LAST_CHUNK "0x1\r\n"), WIRE_BAD_CHUNK},
        {TEXT("-1\r\n"), TEXT(LAST_CHUNK "-1\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1 2\r\n"), TEXT(LAST_CHUNK "1 2\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1;\r\n"), TEXT(LAST_CHUNK "1;\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1;a=\r\n"), TEXT(LAST_CHUNK "1;a=\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1;a=\"b\r\n"), TEXT(LAST_CHUNK "1;a=\"b\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1;a=\"b\\\r\n"), TEXT(LAST_CHUNK "1;a=\"b\\\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1;a\0\r\n"), TEXT(LAST_CHUNK "1;a\0\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1;a\nb\r\n"), TEXT(LAST_CHUNK "1;a\nb\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1000000000000000\r\n"), TEXT(LAST_CHUNK "1000000000000000\r\n"), WIRE_BAD_CHUNK},
        {TEXT("00000000000000001\r\n"), TEXT(LAST_CHUNK "00000000000000001\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1\r\nab\r\n"), TEXT("1\r\na\r\n" LAST_CHUNK "b\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1\r\na\n\r\n"), TEXT("1\r\na\r\n" LAST_CHUNK "\n\r\n"), WIRE_BAD_CHUNK},
        {TEXT("1\r\na\r\r\n"), TEXT("1\r\na\r\n" LAST_CHUNK "\r\r\n"), WIRE_BAD_CHUNK},
        {TEXT("0\r\nA : b\r\n"), TEXT(LAST_CHUNK "A : b\r\n"), WIRE_BAD_TRAILER},
        {TEXT("0\r\nA: b\0\r\n"), TEXT(LAST_CHUNK "A: b\0\r\n"), WIRE_BAD_TRAILER},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char in[256] = CHUNKED, out[256] = CHUNKED;
        size_t head = strlen(CHUNKED);
        memcpy(in + head, cases[i].body.data, cases[i].body.size);
        memcpy(out + head, cases[i].out.data, cases[i].out.size);
        struct fed fed = feed_every_way(slice_make(in, head + cases[i].body.size));
        expect_output(&fed, slice_make(out, head + cases[i].out.size), cases[i].body.data);
        assert_int_equal(fed.wire.fault, cases[i].fault);
        feed_end(&fed);
    }
}

/* However often a field comes that may come once: no count of them goes round to one again. */
static void fields_that_frame_come_once(NO_STATE)
{
    static const struct {
        const char *line;
        enum wire_fault fault;
    } fields[] = {{"Content-Length: 1\n", WIRE_BAD_FRAMING},
                  {"Transfer-Encoding:chunked\n", WIRE_BAD_FRAMING},
                  {"Host:h\n", WIRE_HOSTS}};
    static const char inner[] = "DELETE /v1/events/e\0/rsvp HTTP/1.1\r\nHost: h\r\n\r\n";
    for (size_t i = 0; i < LENGTH(fields); i++) {
        for (size_t times = 2; times < 520; times++) {
            char head[16 * 1024];
            size_t size = (size_t)snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost:h\r\n");
            for (size_t j = 0; j < times; j++) {
                size += (size_t)snprintf(head + size, sizeof head - size, "%s", fields[i].line);
            }
            memcpy(head + size, "\r\n", 2);
            memcpy(head + size + 2, inner, sizeof inner);
            size += 2 + sizeof inner;
            struct fed fed = feed_split(slice_make(head, size), size);
            assert_int_equal(fed.wire.fault, fields[i].fault);
            assert_int_equal(fed.wire.requests, 1);
            feed_end(&fed);
        }
    }
}

/* A byte that has no place in a head is found wherever it stands. */
static void no_byte_passes_in_disguise(NO_STATE)
{
    static const char head[] = "POST /v1/a?b=c HTTP/1.1\r\nHost: h:80\r\nCookie: a\r\n"
                               "Content-Length: 1\r\nX-User-Id: u\r\n\r\nx";
    static const char bytes[] = {'\0', '\x01', '\x1f', '\x7f', '\r', '\v'};
    for (size_t i = 0; i + 2 < sizeof head; i++) {
        for (size_t j = 0; j < sizeof bytes; j++) {
            char changed[sizeof head];
            memcpy(changed, head, i);
            changed[i] = bytes[j];
            memcpy(changed + i + 1, head + i, sizeof head - 1 - i);
            struct fed fed = feed_split(slice_make(changed, sizeof changed), sizeof changed);
            if (fed.wire.fault == WIRE_SOUND) {
                fail_msg("a byte %d before byte %zu passes", bytes[j], i);
            }
            feed_end(&fed);
        }
    }
}

/* ---- limits ---- */

/* A head of that size, of lines of about that size, with a body's begin behind it. */
static size_t make_head(char *head, size_t size, size_t line_size, const char *name)
{
    size_t at = (size_t)sprintf(head, GET "Host: h\r\n");
    size_t end = size - 2;
    while (at < end) {
        size_t line = end - at < 2 * line_size ? end - at : line_size;
        size_t begin = at;
        at += (size_t)sprintf(head + at, "%s:", name);
        while (at < begin + line - 2) {
            head[at++] = 'x';
        }
        at += (size_t)sprintf(head + at, "\r\n");
    }
    return at + (size_t)sprintf(head + at, "\r\n");
}

static void heads_are_taken_up_to_their_limit(NO_STATE)
{
    static const struct {
        const char *name;
        size_t line_size;
    } cases[] = {
        {"X", 4}, {"Cookie", 30}, {"Cookie", WIRE_HEAD_SIZE_MAX_BYTES}, {"X-User-Id", 1024}};
    static char head[WIRE_HEAD_SIZE_MAX_BYTES + 16];
    for (size_t i = 0; i < LENGTH(cases); i++) {
        for (size_t extra = 0; extra < 2; extra++) {
            size_t size = make_head(head, WIRE_HEAD_SIZE_MAX_BYTES + extra, cases[i].line_size,
                                    cases[i].name);
            assert_int_equal(size, WIRE_HEAD_SIZE_MAX_BYTES + extra);
            struct fed whole = feed_split(slice_make(head, size), size);
            struct fed bytes = feed_bytes(slice_make(head, size));
            expect_same(&whole, &bytes, cases[i].name, 1);
            assert_int_equal(whole.wire.fault, extra == 0 ? WIRE_SOUND : WIRE_TOO_LARGE);
            feed_end(&whole);
            feed_end(&bytes);
        }
    }
}

/* So many bytes of a kind behind a beginning are refused, and not held for ever. */
static void expect_bound(const char *begin, const char *repeated, size_t bound,
                         enum wire_fault fault)
{
    struct fed fed = feed_begin();
    size_t fed_size = 0;
    feed(&fed, slice_of(begin));
    while (fed.wire.fault == WIRE_SOUND) {
        feed(&fed, slice_of(repeated));
        fed_size += strlen(repeated);
        assert_true(fed_size <= bound + strlen(repeated));
        assert_true(fed.held_size < WIRE_HEAD_SIZE_MAX_BYTES);
    }
    assert_int_equal(fed.wire.fault, fault);
    feed_end(&fed);
}

static void nothing_grows_without_bound(NO_STATE)
{
    expect_bound("GET /", "a", WIRE_HEAD_SIZE_MAX_BYTES, WIRE_TOO_LARGE);
    expect_bound("", "\r\n", WIRE_HEAD_SIZE_MAX_BYTES, WIRE_TOO_LARGE);
    expect_bound("", "a", WIRE_HEAD_SIZE_MAX_BYTES, WIRE_TOO_LARGE);
    expect_bound(GET "A:", "a", WIRE_HEAD_SIZE_MAX_BYTES, WIRE_TOO_LARGE);
    expect_bound(GET, "A:\r\n", WIRE_HEAD_SIZE_MAX_BYTES, WIRE_TOO_LARGE);
    expect_bound(GET, "X-User-Id:u\r\n", WIRE_HEAD_SIZE_MAX_BYTES, WIRE_TOO_MANY_FIELDS);
    expect_bound(GET, "If-Match:a\r\n", WIRE_HEAD_SIZE_MAX_BYTES, WIRE_TOO_LARGE);
    expect_bound(GET, "If-Match:a\r\nIf-None-Match:a\r\n", WIRE_HEAD_SIZE_MAX_BYTES,
                 WIRE_TOO_MANY_FIELDS);
    expect_bound(CHUNKED "2;", "a", WIRE_CHUNK_LINE_SIZE_MAX_BYTES, WIRE_BAD_CHUNK);
    expect_bound(CHUNKED, "0", WIRE_CHUNK_LINE_SIZE_MAX_BYTES, WIRE_BAD_CHUNK);
    expect_bound(CHUNKED, "1;abcdefgh\r\na\r\n", (size_t)2 * WIRE_EXTENSIONS_SIZE_MAX_BYTES,
                 WIRE_BAD_CHUNK);
    expect_bound(CHUNKED, "00000001\r\na\r\n", (size_t)2 * WIRE_EXTENSIONS_SIZE_MAX_BYTES,
                 WIRE_BAD_CHUNK);
    expect_bound(CHUNKED "0\r\n", "A:\r\n", WIRE_HEAD_SIZE_MAX_BYTES, WIRE_TOO_LARGE);
    expect_bound(CHUNKED "0\r\n", "a", WIRE_HEAD_SIZE_MAX_BYTES, WIRE_TOO_LARGE);
}

#define SOUND_GET GET "Host:h\r\n\r\n"

static void a_line_that_does_not_come_whole_is_made_a_request_to_refuse(NO_STATE)
{
    static const struct {
        const char *before, *line, *given;
    } cases[] = {
        {"", "G", REFUSED_GET},
        {"", "POST /a?b=c HTT", "POST /a HTTP/1.1\r\n" NO_HOST NOTHING_FITS},
        {SOUND_GET, "G", SOUND_GET REFUSED_GET},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char bytes[256];
        struct wire wire = {0};
        struct wire_output out = {.data = bytes};
        struct slice before = slice_of(cases[i].before);
        assert_int_equal(wire_feed(&wire, before, &out), before.size);
        assert_int_equal(wire_feed(&wire, slice_of(cases[i].line), &out), 0);
        wire_expire(&wire, slice_of(cases[i].line), &out);
        assert_true(slice_equal(slice_make(out.data, out.size), slice_of(cases[i].given)));
        assert_int_equal(wire.fault, WIRE_LATE);
        assert_int_equal(wire.requests, before.size > 0 ? 2 : 1);
    }
}

/* The library has each request by itself: what it wants of a head is in that head. */
static void a_fault_is_not_mended_by_the_request_before_it(NO_STATE)
{
    static const struct {
        struct slice in, out;
        enum wire_fault fault;
    } cases[] = {
        {TEXT(SOUND_GET "G\r\n"), TEXT(SOUND_GET REFUSED_GET "G\r\n"), WIRE_BAD_LINE},
        {TEXT(SOUND_GET GET "A\r\n"), TEXT(SOUND_GET REFUSED_GET "A\r\n"), WIRE_BAD_FIELD},
        {TEXT(SOUND_GET GET "\r\n"), TEXT(SOUND_GET REFUSED_GET "\r\n"), WIRE_HOSTS},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct fed fed = feed_every_way(cases[i].in);
        expect_output(&fed, cases[i].out, cases[i].in.data);
        assert_int_equal(fed.wire.fault, cases[i].fault);
        assert_int_equal(fed.wire.requests, 2);
        feed_end(&fed);
    }
}

static void requests_are_counted(NO_STATE)
{
    static const char two[] = "GET /1 HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\nA\r\n";
    struct fed fed = feed_begin();
    feed(&fed, slice_make(two, 20));
    assert_int_equal(fed.wire.requests, 1);
    feed(&fed, slice_of(two + 20));
    assert_int_equal(fed.wire.requests, 2);
    assert_int_equal(fed.wire.fault, WIRE_BAD_FIELD);
    assert_int_equal(fed.wire.line, 2);
    feed_end(&fed);
}

static void every_fault_has_a_refusal(NO_STATE)
{
    for (int i = WIRE_SOUND + 1; i < WIRE_FAULT_COUNT; i++) {
        assert_int_not_equal(wire_refusals[i].problem, PROBLEM_NONE);
        assert_true(wire_refusals[i].detail != NULL || !wire_refusals[i].in_head);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_requests_are_given_on),
        cmocka_unit_test(faulty_requests_are_given_on_as_ones_to_refuse),
        cmocka_unit_test(faulty_chunks_are_given_on_as_one_without_end),
        cmocka_unit_test(fields_that_frame_come_once),
        cmocka_unit_test(no_byte_passes_in_disguise),
        cmocka_unit_test(heads_are_taken_up_to_their_limit),
        cmocka_unit_test(nothing_grows_without_bound),
        cmocka_unit_test(a_fault_is_not_mended_by_the_request_before_it),
        cmocka_unit_test(a_line_that_does_not_come_whole_is_made_a_request_to_refuse),
        cmocka_unit_test(requests_are_counted),
        cmocka_unit_test(every_fault_has_a_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
