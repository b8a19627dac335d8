/* Requests that no decent client sends. */
#include "mutation.h"

#include <string.h>

#include "test.h"

enum { MUTATIONS_MAX = 4, RUBBISH_MAX_BYTES = 64, LARGE_BYTES = 1 << 16, HUGE_BYTES = 1 << 20 };

/* ---- editing ---- */

/* A place among the first kilobytes, where heads are. */
static size_t place_in(const struct mutant *mutant, struct load_random *random)
{
    const size_t reach = mutant->size < 4096 ? mutant->size : 4096;
    return load_random_below(random, (unsigned)reach + 1);
}

/* Puts bytes in; past the largest size nothing happens. */
static void insert(struct mutant *mutant, size_t place, const void *bytes, size_t size)
{
    if (size > MUTATION_SIZE_MAX_BYTES - mutant->size) {
        return;
    }
    memmove(mutant->bytes + place + size, mutant->bytes + place, mutant->size - place);
    memcpy(mutant->bytes + place, bytes, size);
    mutant->size += size;
}

static void erase(struct mutant *mutant, size_t place, size_t size)
{
    memmove(mutant->bytes + place, mutant->bytes + place + size, mutant->size - place - size);
    mutant->size -= size;
}

/* Where the text begins; the end of all where it does not occur. */
static size_t find(const struct mutant *mutant, const char *text)
{
    const char *found = memmem(mutant->bytes, mutant->size, text, strlen(text));
    return found == NULL ? mutant->size : (size_t)(found - mutant->bytes);
}

static void insert_text(struct mutant *mutant, size_t place, const char *text)
{
    insert(mutant, place, text, strlen(text));
}

/* Where the second line begins. */
static size_t first_field(const struct mutant *mutant)
{
    const size_t end = find(mutant, "\n");
    return end == mutant->size ? end : end + 1;
}

#define PICK(table, random) (table)[load_random_below(random, LENGTH(table))]

/* ---- mutations ---- */

static void flip_bits(struct mutant *mutant, struct load_random *random)
{
    for (unsigned i = 1 + load_random_below(random, 4); i > 0 && mutant->size > 0; i--) {
        const unsigned bit = load_random_below(random, 8);
        char *byte = &mutant->bytes[load_random_below(random, (unsigned)mutant->size)];
        *byte = (char)((unsigned char)*byte ^ (1u << bit));
    }
}

static void truncate_anywhere(struct mutant *mutant, struct load_random *random)
{
    mutant->size = load_random_below(random, (unsigned)mutant->size + 1);
}

static void erase_some(struct mutant *mutant, struct load_random *random)
{
    const size_t place = place_in(mutant, random);
    const size_t rest = mutant->size - place;
    const size_t size = load_random_below(random, RUBBISH_MAX_BYTES);
    erase(mutant, place, size < rest ? size : rest);
}

static void repeat_some(struct mutant *mutant, struct load_random *random)
{
    char copy[RUBBISH_MAX_BYTES];
    const size_t place = place_in(mutant, random);
    const size_t rest = mutant->size - place;
    const size_t size = rest < sizeof copy ? rest : sizeof copy;
    memcpy(copy, mutant->bytes + place, size);
    for (unsigned times = 1 + load_random_below(random, 8); times > 0; times--) {
        insert(mutant, place, copy, size);
    }
}

static void insert_rubbish(struct mutant *mutant, struct load_random *random)
{
    char rubbish[RUBBISH_MAX_BYTES];
    const size_t size = load_random_below(random, sizeof rubbish);
    for (size_t i = 0; i < size; i++) {
        rubbish[i] = (char)load_random_below(random, 256);
    }
    insert(mutant, place_in(mutant, random), rubbish, size);
}

static void insert_nul(struct mutant *mutant, struct load_random *random)
{
    insert(mutant, place_in(mutant, random), "", 1);
}

/* A field that says something else than the others, or nothing that makes sense. */
static void insert_field(struct mutant *mutant, struct load_random *random)
{
    static const char *const fields[] = {
        "Content-Length: 0\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: 5\r\n",
        "Content-Length: 16384\r\n",
        "Content-Length: 99999999999999999999\r\n",
        "Content-Length: 0x10\r\n",
        "Content-Length: 1, 1\r\n",
        "Content-Length:\r\n",
        "Content-Length : 3\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: \tchunked\v\r\n",
        "Host: a\r\n",
        "Host:\r\n",
        "X-User-Id: hostile-user-2\r\n",
        "X-User-Id: \r\n",
        "Idempotency-Key: \"\\\"\r\n",
        "Idempotency-Key: key\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type: ;;;\r\n",
        "Expect: 100-continue\r\n",
        "Connection: close\r\n",
        "Connection: upgrade, keep-alive, close\r\n",
        "Upgrade: h2c\r\n",
        "If-None-Match: \"\", W/\"0\", *, ,,,\r\n",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
        "X-Request-Id: \xff\xfe\r\n",
        "Cookie: a=b; =; ;;\r\n",
        "Authorization: Basic Og==\r\n",
        " folded\r\n",
        ": no name\r\n",
        "no colon\r\n",
        "\r\n",
    };
    insert_text(mutant, first_field(mutant), PICK(fields, random));
}

/* A megabyte of one field, or of many. */
static void insert_megabyte(struct mutant *mutant, struct load_random *random)
{
    static char huge[HUGE_BYTES];
    static const char field[] = "X-Filler: 0123456789\r\n";
    const bool many = load_random_below(random, 2) == 0;
    for (size_t i = 0; i < sizeof huge; i++) {
        huge[i] = field[i % (sizeof field - 1)];
    }
    if (!many) {
        memset(huge, 'h', sizeof huge);
    }
    insert(mutant, first_field(mutant), huge, sizeof huge);
    insert_text(mutant, first_field(mutant), many ? "" : "X-Filler: ");
}

static void change_version(struct mutant *mutant, struct load_random *random)
{
    static const char *const versions[] = {
        "HTTP/1.0", "HTTP/0.9",   "HTTP/2.0", "HTTP/1.2", "HTTP/1.11", "HTTP/",
        "http/1.1", "HTTP/1.1\r", "",         "HTTP/-1",  "ICY/1.1",   "HTTP/1.1 HTTP/1.1"};
    static const char ours[] = "HTTP/1.1";
    const size_t place = find(mutant, ours);
    if (place < mutant->size) {
        erase(mutant, place, sizeof ours - 1);
        insert_text(mutant, place, PICK(versions, random));
    }
}

static void insert_escapes(struct mutant *mutant, struct load_random *random)
{
    static const char *const escapes[] = {
        "%",  "%0", "%00", "%zz", "%2f", "%2F..%2f", "%25",    "%c0", "%ff%", "%u00", "/../..",
        "//", "?",  "&&=", "#",   "+",   ";",        "%0d%0a", "\\",  "%7f",  "*"};
    const size_t target = find(mutant, "/");
    const size_t line = first_field(mutant) - (target < mutant->size ? target : 0);
    const size_t place = target + load_random_below(random, (unsigned)line + 1);
    insert_text(mutant, place < mutant->size ? place : mutant->size, PICK(escapes, random));
}

/* Lines that end in LF alone, or in CR alone. */
static void change_line_ends(struct mutant *mutant, struct load_random *random)
{
    const char dropped = load_random_below(random, 2) == 0 ? '\r' : '\n';
    size_t kept = 0;
    for (size_t i = 0; i < mutant->size; i++) {
        if (mutant->bytes[i] != dropped) {
            mutant->bytes[kept++] = mutant->bytes[i];
        }
    }
    mutant->size = kept;
}

/* Chunks in place of the body, most of them not as they should be. */
static void chunk_body(struct mutant *mutant, struct load_random *random)
{
    static const char *const bodies[] = {
        "2\r\n{}\r\n0\r\n\r\n",
        "ffff\r\n{}",
        "ffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        "10000000000000000\r\n{}\r\n0\r\n\r\n",
        "-2\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "2\r\n{}0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "\r\n",
        "2;a=\"b\"\r\n{}\r\n0\r\nHost: trailer\r\n\r\n",
        "2\n{}\n0\n\n",
        "0\r\n",
        "0\r\nX: y",
    };
    const size_t blank = find(mutant, "\r\n\r\n");
    mutant->size = blank;
    insert_text(mutant, mutant->size, "\r\nTransfer-Encoding: chunked\r\n\r\n");
    insert_text(mutant, mutant->size, PICK(bodies, random));
}

/* A chunk past every limit on a body, which has not ended. */
static void enlarge_body(struct mutant *mutant, struct load_random *random)
{
    static char chunk[LARGE_BYTES];
    memset(chunk, '0' + (int)load_random_below(random, 10), sizeof chunk);
    mutant->size = find(mutant, "\r\n\r\n");
    insert_text(mutant, mutant->size, "\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n");
    insert(mutant, mutant->size, chunk, sizeof chunk);
}

/* Several on one connection, the later ones behind whatever the first has become. */
static void pipeline(struct mutant *mutant, struct load_random *random)
{
    static const char again[] = "GET /v1/events/hostile/users/hostile-user-3 HTTP/1.1\r\n"
                                "Host: h\r\n\r\n";
    for (unsigned times = 1 + load_random_below(random, 8); times > 0; times--) {
        insert(mutant, load_random_below(random, 2) == 0 ? 0 : mutant->size, again,
               sizeof again - 1);
    }
}

/* The line of a chunk, or a trailer, that does not end. */
static void never_end_line(struct mutant *mutant, struct load_random *random)
{
    static const char *const begins[] = {"2;", "0", "2;a=\"", "2 ", "2\r\n{}\r\n0\r\nX: "};
    static char endless[LARGE_BYTES];
    memset(endless, load_random_below(random, 2) == 0 ? '0' : 'a', sizeof endless);
    mutant->size = find(mutant, "\r\n\r\n");
    insert_text(mutant, mutant->size, "\r\nTransfer-Encoding: chunked\r\n\r\n");
    insert_text(mutant, mutant->size, PICK(begins, random));
    insert(mutant, mutant->size, endless, sizeof endless);
}

typedef void mutation_fn(struct mutant *mutant, struct load_random *random);

void mutate(struct mutant *mutant, const char *text, struct load_random *random)
{
    static mutation_fn *const mutations[] = {
        flip_bits,      truncate_anywhere, erase_some,     repeat_some,
        insert_rubbish, insert_nul,        insert_field,   insert_field,
        change_version, insert_escapes,    insert_escapes, change_line_ends,
        chunk_body,     enlarge_body,      pipeline,       never_end_line,
    };
    mutant->size = strlen(text);
    memcpy(mutant->bytes, text, mutant->size);
    if (load_random_below(random, 100) == 0) {
        insert_megabyte(mutant, random);
    }
    for (unsigned i = 1 + load_random_below(random, MUTATIONS_MAX); i > 0; i--) {
        PICK(mutations, random)(mutant, random);
    }
}
