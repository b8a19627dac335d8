/* Which requests are traced, and the ids of traces and spans. */
#include "rsvpd/base/trace.h"

#include <assert.h>

enum {
    VERSION_DIGITS = 2,
    FLAGS_AT = 53,
    FLAG_SAMPLED = 1,
    VERSION_INVALID = 0xff,
    SHARE_DIGITS_MAX = 17, /* behind the point: more than a double has */
};

/* Reads a field of hexadecimal digits at the front of `rest`, of at most 16, in lower case. */
static bool cut_hex(struct slice *rest, size_t digits, uint64_t *value)
{
    assert(digits <= SPAN_ID_DIGITS);
    *value = 0;
    for (size_t i = 0; i < digits; i++) {
        char c = rest->data[i];
        bool decimal = c >= '0' && c <= '9';
        if (!decimal && (c < 'a' || c > 'f')) {
            return false;
        }
        *value = *value << 4 | (uint64_t)(decimal ? c - '0' : c - 'a' + 10);
    }
    *rest = slice_skip(*rest, digits);
    return true;
}

static bool cut_dash(struct slice *rest)
{
    bool is = rest->data[0] == '-';
    *rest = slice_skip(*rest, 1);
    return is;
}

bool trace_parent_parse(struct slice value, struct trace_parent *parent)
{
    struct slice rest = value;
    uint64_t version, flags;
    struct trace_ref *ref = &parent->ref;
    if (value.size < TRACEPARENT_SIZE_BYTES || !cut_hex(&rest, VERSION_DIGITS, &version) ||
        !cut_dash(&rest) || !cut_hex(&rest, SPAN_ID_DIGITS, &ref->trace_high) ||
        !cut_hex(&rest, SPAN_ID_DIGITS, &ref->trace_low) || !cut_dash(&rest) ||
        !cut_hex(&rest, SPAN_ID_DIGITS, &ref->span) || !cut_dash(&rest) ||
        !cut_hex(&rest, 2, &flags)) {
        return false;
    }
    parent->sampled = (flags & FLAG_SAMPLED) != 0;
    bool longer = rest.size > 0;
    return version != VERSION_INVALID && (ref->trace_high | ref->trace_low) != 0 &&
           ref->span != 0 && (!longer || (version > 0 && rest.data[0] == '-'));
}

static void write_hex(uint64_t value, char out[SPAN_ID_DIGITS])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = SPAN_ID_DIGITS; i-- > 0; value >>= 4) {
        out[i] = digits[value & 15];
    }
}

void trace_write_trace_id(const struct trace_ref *ref, char out[TRACE_ID_DIGITS])
{
    write_hex(ref->trace_high, out);
    write_hex(ref->trace_low, out + SPAN_ID_DIGITS);
}

void trace_write_span_id(uint64_t span, char out[SPAN_ID_DIGITS])
{
    write_hex(span, out);
}

static uint64_t random_id(struct random *random)
{
    uint64_t id = random_next(random);
    return id == 0 ? 1 : id;
}

struct trace_ref trace_begin(struct random *random)
{
    return (struct trace_ref){random_id(random), random_id(random), random_id(random)};
}

struct trace_ref trace_continue(const struct trace_ref *of, struct random *random)
{
    return (struct trace_ref){of->trace_high, of->trace_low, random_id(random)};
}

bool trace_share_parse(struct slice text, double *share)
{
    struct slice fraction = text;
    struct slice whole = slice_cut(&fraction, '.');
    bool has_point = whole.size < text.size;
    if (whole.size != 1 || whole.data[0] < '0' || whole.data[0] > '1' ||
        (has_point && fraction.size == 0) || fraction.size > SHARE_DIGITS_MAX) {
        return false;
    }
    *share = whole.data[0] - '0';
    double unit = 0.1;
    for (size_t i = 0; i < fraction.size; i++) {
        if (fraction.data[i] < '0' || fraction.data[i] > '9') {
            return false;
        }
        *share += (fraction.data[i] - '0') * unit;
        unit /= 10;
    }
    return *share <= 1;
}

bool trace_chosen(double share, struct random *random)
{
    /* The upper 53 bits, which a double holds: from 0 to below 1. */
    return (double)(random_next(random) >> 11) * 0x1p-53 < share;
}
