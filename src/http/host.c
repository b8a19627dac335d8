/* See host.h. */
#include "rsvpd/http/host.h"
#include "rsvpd/http/byte_class.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static bool is_port(struct slice text)
{
    unsigned port = 0;
    size_t i = 0;
    while (i < text.size && text.data[i] >= '0' && text.data[i] <= '9' && port <= UINT16_MAX) {
        port = port * 10 + (unsigned)(text.data[i++] - '0');
    }
    return i == text.size && port <= UINT16_MAX;
}

static bool is_ipv6_address(struct slice text)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (text.size >= sizeof copy || memchr(text.data, '\0', text.size) != NULL) {
        return false;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1;
}

/* Whether it begins with an encoded byte that a name may hold: one of its own, or of UTF-8 beyond
 * ASCII. Others would mean something else to whoever decodes them. */
static bool begins_encoded(struct slice text)
{
    int high = text.size > 2 && text.data[0] == '%' ? byte_hex_digit(text.data[1]) : -1;
    int low = high < 0 ? -1 : byte_hex_digit(text.data[2]);
    return low >= 0 && (high >= 8 || (byte_class((char)(high * 16 + low)) & BYTE_HOST) != 0);
}

static bool is_name(struct slice text)
{
    size_t i = 0;
    while (i < text.size) {
        if (begins_encoded(slice_skip(text, i))) {
            i += 3;
        } else if ((byte_class(text.data[i]) & BYTE_HOST) != 0) {
            i++;
        } else {
            return false;
        }
    }
    return text.size > 0;
}

bool host_is_valid(struct slice text)
{
    if (text.size == 0) {
        return false;
    }
    if (text.data[0] != '[') {
        const char *colon = memchr(text.data, ':', text.size);
        size_t size = colon == NULL ? text.size : (size_t)(colon - text.data);
        return is_name(slice_make(text.data, size)) &&
               (colon == NULL || is_port(slice_skip(text, size + 1)));
    }
    const char *end = memchr(text.data, ']', text.size);
    if (end == NULL) {
        return false;
    }
    struct slice rest = slice_skip(text, (size_t)(end - text.data) + 1);
    return is_ipv6_address(slice_make(text.data + 1, (size_t)(end - text.data) - 1)) &&
           (rest.size == 0 || (rest.data[0] == ':' && is_port(slice_skip(rest, 1))));
}
