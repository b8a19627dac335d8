/* What a client sends: cut anywhere it becomes the same, and what is given on is taken by the same
 * code again, unchanged. The first two bytes say where it is cut. What comes may end while the line
 * of a list is still open, since the next field may go on with it: that line is not taken again. */
#include "fuzz.h"

#include "rsvpd/http/wire.h"

#include <stdlib.h>

struct fed {
    struct wire wire;
    struct wire_output out;
    size_t taken;
};

/* Feeds what comes up to `end`, behind what was not taken before. */
static void feed(struct fed *fed, struct slice in, size_t end)
{
    struct slice piece = slice_make(in.data + fed->taken, end - fed->taken);
    fed->taken += wire_feed(&fed->wire, piece, &fed->out);
    assert(fed->taken <= end);
    assert(end - fed->taken < WIRE_HEAD_SIZE_MAX_BYTES);
}

static struct fed feed_in(struct slice in, size_t cut)
{
    struct fed fed = {.out = {.data = malloc(4 * in.size + (size_t)2 * WIRE_GROWTH_MAX_BYTES)}};
    assert(fed.out.data != NULL);
    feed(&fed, in, cut < in.size ? cut : in.size);
    feed(&fed, in, in.size);
    return fed;
}

static void expect_alike(const struct fed *a, const struct fed *b)
{
    assert(a->taken == b->taken && a->out.size == b->out.size);
    assert(memcmp(a->out.data, b->out.data, a->out.size) == 0);
    assert(a->wire.state == b->wire.state && a->wire.fault == b->wire.fault);
    assert(a->wire.requests == b->wire.requests);
}

static void expect_unchanged(const struct fed *fed, size_t cut)
{
    struct slice out = slice_make(fed->out.data, fed->out.size);
    struct fed again = feed_in(out, cut);
    struct slice open = slice_skip(out, again.taken);
    assert(again.wire.fault == WIRE_SOUND && again.wire.requests == fed->wire.requests);
    assert(again.out.size == again.taken && memcmp(again.out.data, out.data, again.taken) == 0);
    assert((open.size > 0) == (fed->wire.list != 0));
    assert(open.size == 0 || memchr(open.data, '\n', open.size) == NULL);
    free(again.out.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t cut = data[0] + (size_t)data[1] * 256;
    struct slice in = fuzz_input(data + 2, size - 2);
    struct fed whole = feed_in(in, in.size), split = feed_in(in, cut);
    expect_alike(&whole, &split);
    if (whole.wire.fault == WIRE_SOUND) {
        expect_unchanged(&whole, cut);
    }
    free(whole.out.data);
    free(split.out.data);
    return 0;
}
