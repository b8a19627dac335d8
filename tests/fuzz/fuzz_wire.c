/* What a client sends: cut anywhere it becomes the same, and what is given on is taken by the same
 * code again, unchanged. The first two bytes say where it is cut. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    size_t cut = data[0] + (size_t)data[1] * 256;
    struct slice in = fuzz_input(data + 2, size - 2);
    struct fed whole = feed_in(in, in.size), split = feed_in(in, cut);
    expect_alike(&whole, &split);
    struct slice out = slice_make(whole.out.data, whole.out.size);
    if (whole.wire.fault == WIRE_SOUND) {
        struct fed again = feed_in(out, cut);
        assert(again.wire.fault == WIRE_SOUND && again.wire.requests == whole.wire.requests);
        assert(again.out.size == out.size && memcmp(again.out.data, out.data, out.size) == 0);
        free(again.out.data);
    }
    free(whole.out.data);
    free(split.out.data);
    return 0;
}
