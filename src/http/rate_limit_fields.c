/* The header fields that tell a client its limit. */
#include "rsvpd/http/rate_limit_fields.h"

static const char *const names[RATE_KIND_COUNT] = {
    [RATE_USER] = "\"user\"", [RATE_KEY] = "\"key\"", [RATE_ADDRESS] = "\"address\""};

static void add_parameter(struct text *out, const char *name, int64_t value)
{
    text_add_cstr(out, name);
    text_add_int(out, value);
}

void rate_limit_write_policy(struct text *out, enum rate_kind kind, const struct rate *limit)
{
    text_add_cstr(out, names[kind]);
    add_parameter(out, ";q=", limit->requests);
    add_parameter(out, ";w=", limit->seconds);
}

void rate_limit_write_remaining(struct text *out, enum rate_kind kind,
                                const struct rate_verdict *verdict)
{
    text_add_cstr(out, names[kind]);
    add_parameter(out, ";r=", verdict->remaining);
    add_parameter(out, ";t=", verdict->reset_s);
}
