/* How a count is written into Redis. */
#include "rsvpd/store/redis_codec.h"

static void begin_key(const char *namespace, const char *kind, struct text *out)
{
    text_add_cstr(out, "rsvpd:2:");
    text_add_cstr(out, namespace);
    text_add_cstr(out, ":");
    text_add_cstr(out, kind);
    text_add_cstr(out, ":");
}

void redis_encode_key(const char *namespace, const struct redis_count *entry, struct text *out)
{
    begin_key(namespace, entry->relation->name, out);
    text_add(out, identifier_slice(&entry->entity));
}

void redis_encode_probe_key(const char *namespace, uint64_t number, struct text *out)
{
    begin_key(namespace, "probe", out);
    text_add_uint(out, number);
}

void redis_encode_rate_key(const char *namespace, const unsigned char caller[MAC_SIZE_BYTES],
                           struct text *out)
{
    static const char digits[] = "0123456789abcdef";
    char code[2 * MAC_SIZE_BYTES];
    begin_key(namespace, "rate", out);
    for (size_t i = 0; i < MAC_SIZE_BYTES; i++) {
        code[2 * i] = digits[caller[i] >> 4];
        code[2 * i + 1] = digits[caller[i] & 15];
    }
    text_add(out, slice_make(code, sizeof code));
}

void redis_encode_value(const struct count *count, struct text *out)
{
    text_add_format(out, "%0*lld:%0*lld:%lld", REDIS_VERSION_DIGITS, (long long)count->version,
                    REDIS_AS_OF_DIGITS, (long long)count->as_of_wall_us, (long long)count->value);
}

/* A number of digits alone, with zeros in front only where they fill it up to its least size. */
static bool decode_number(struct slice digits, size_t size_min, size_t size_max, int64_t *out)
{
    uint64_t number = 0; /* 19 digits fit */
    if (digits.size < size_min || digits.size > size_max ||
        (digits.size > size_min && digits.data[0] == '0')) {
        return false;
    }
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9') {
            return false;
        }
        number = number * 10 + (uint64_t)(digits.data[i] - '0');
    }
    *out = (int64_t)number;
    return number <= INT64_MAX;
}

bool redis_decode_value(struct slice bytes, struct count *out)
{
    struct slice version = slice_cut(&bytes, ':');
    struct slice as_of = slice_cut(&bytes, ':');
    return decode_number(version, REDIS_VERSION_DIGITS, REDIS_VERSION_DIGITS, &out->version) &&
           decode_number(as_of, REDIS_AS_OF_DIGITS, REDIS_AS_OF_DIGITS, &out->as_of_wall_us) &&
           decode_number(bytes, 1, REDIS_COUNT_DIGITS_MAX, &out->value);
}
