/* Which page a request comes from. */
#include "rsvpd/http/origin.h"
#include "rsvpd/http/header.h"

/* An authority without userinfo (RFC 3986 section 3.2). */
struct authority {
    struct slice host; /* an address in brackets with them */
    unsigned port;
};

/* False where it is no port; none at all stands for the scheme's. */
static bool parse_port(struct slice digits, unsigned scheme_port, unsigned *port)
{
    *port = digits.size == 0 ? scheme_port : 0;
    for (size_t i = 0; i < digits.size; i++) {
        if (digits.data[i] < '0' || digits.data[i] > '9' || *port > 6553) {
            return false;
        }
        *port = *port * 10 + (unsigned)(digits.data[i] - '0');
    }
    return *port <= 65535;
}

static bool parse_authority(struct slice text, unsigned scheme_port, struct authority *authority)
{
    size_t end = 0;
    if (text.size > 0 && text.data[0] == '[') {
        const char *bracket = memchr(text.data, ']', text.size);
        end = bracket == NULL ? 0 : (size_t)(bracket - text.data) + 1;
    } else {
        while (end < text.size && text.data[end] != ':') {
            end++;
        }
    }
    authority->host = slice_make(text.data, end);
    if (end == 0 || (end < text.size && text.data[end] != ':')) {
        return false;
    }
    size_t port = end < text.size ? end + 1 : end;
    return parse_port(slice_make(text.data + port, text.size - port), scheme_port,
                      &authority->port);
}

static bool is_origin_of(struct slice origin, struct slice host)
{
    static const struct {
        const char *prefix;
        unsigned port;
    } schemes[] = {{"http://", 80}, {"https://", 443}};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        struct slice prefix = slice_of(schemes[i].prefix);
        struct authority theirs, ours;
        if (origin.size > prefix.size &&
            slice_equal_nocase(slice_make(origin.data, prefix.size), prefix)) {
            origin = slice_make(origin.data + prefix.size, origin.size - prefix.size);
            return parse_authority(origin, schemes[i].port, &theirs) &&
                   parse_authority(host, schemes[i].port, &ours) && theirs.port == ours.port &&
                   slice_equal_nocase(theirs.host, ours.host);
        }
    }
    return false;
}

bool origin_is_own(const struct request *request)
{
    struct slice values[2];
    size_t size = header_values(request, HEADER_SEC_FETCH_SITE, values, 2);
    if (size > 0) {
        struct slice site = slice_trim(values[0]);
        return size == 1 &&
               (slice_equal(site, slice_of("same-origin")) || slice_equal(site, slice_of("none")));
    }
    size = header_values(request, HEADER_ORIGIN, values, 2);
    return size == 0 || (size == 1 && is_origin_of(slice_trim(values[0]),
                                                   slice_trim(header_value(request, HEADER_HOST))));
}
