/* REDIS_URL taken apart. */
#include "rsvpd/store/redis_url.h"
#include "rsvpd/base/slice.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/un.h>

enum { DEFAULT_PORT = 6379, PORT_MAX = 65535, DATABASE_MAX = 1023 };

static bool starts_with(struct slice *text, const char *prefix)
{
    size_t size = strlen(prefix);
    if (text->size < size || memcmp(text->data, prefix, size) != 0) {
        return false;
    }
    text->data += size;
    text->size -= size;
    return true;
}

/* Copies a part, undoing percent-encoding (RFC 3986 section 2.1). */
static bool parse_part(struct slice text, char out[REDIS_URL_PART_SIZE_BYTES])
{
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++, size++) {
        char c = text.data[i];
        if (c == '%') {
            if (text.size - i < 3 || !isxdigit((unsigned char)text.data[i + 1]) ||
                !isxdigit((unsigned char)text.data[i + 2])) {
                return false;
            }
            const char digits[] = {text.data[i + 1], text.data[i + 2], '\0'};
            c = (char)strtol(digits, NULL, 16);
            i += 2;
        }
        if (c == '\0' || size + 1 >= REDIS_URL_PART_SIZE_BYTES) {
            return false;
        }
        out[size] = c;
    }
    out[size] = '\0';
    return true;
}

static bool parse_number(struct slice text, int max, int *out)
{
    int number = 0;
    if (text.size == 0 || text.size > 5) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (!isdigit((unsigned char)text.data[i])) {
            return false;
        }
        number = number * 10 + (text.data[i] - '0');
    }
    *out = number;
    return number <= max;
}

static bool parse_credentials(struct slice *authority, struct redis_url *url)
{
    const char *at = authority->size == 0 ? NULL : memrchr(authority->data, '@', authority->size);
    if (at == NULL) {
        return true;
    }
    struct slice credentials = {authority->data, (size_t)(at - authority->data)};
    authority->size -= credentials.size + 1;
    authority->data = at + 1;
    if (credentials.size == 0 || memchr(credentials.data, ':', credentials.size) == NULL) {
        return false; /* a user alone, or nobody */
    }
    struct slice user = slice_cut(&credentials, ':');
    return parse_part(user, url->user) && parse_part(credentials, url->password);
}

/* What a name, an IPv4 or an IPv6 address is made of. */
static bool host_valid(struct slice host)
{
    for (size_t i = 0; i < host.size; i++) {
        if (!isalnum((unsigned char)host.data[i]) && strchr(".-_:", host.data[i]) == NULL) {
            return false;
        }
    }
    return host.size > 0;
}

static bool parse_host_and_port(struct slice authority, struct redis_url *url)
{
    struct slice host;
    if (authority.size > 0 && authority.data[0] == '[') { /* an IPv6 address */
        if (memchr(authority.data, ']', authority.size) == NULL) {
            return false;
        }
        authority.data++;
        authority.size--;
        host = slice_cut(&authority, ']');
        if (authority.size > 0 && authority.data[0] != ':') {
            return false;
        }
        (void)slice_cut(&authority, ':');
    } else {
        host = slice_cut(&authority, ':');
    }
    url->port = DEFAULT_PORT;
    return parse_part(host, url->host) && host_valid(slice_of(url->host)) &&
           (authority.data == NULL ||
            (parse_number(authority, PORT_MAX, &url->port) && url->port > 0));
}

bool redis_url_parse(const char *text, struct redis_url *url, const char **problem)
{
    struct slice rest = slice_of(text);
    *url = (struct redis_url){0};
    if (starts_with(&rest, "unix://")) {
        *problem = "has no absolute path of a socket after unix://";
        if (rest.size < 2 || rest.data[0] != '/' || !parse_part(rest, url->path)) {
            return false;
        }
        *problem = "has a path of a socket that is longer than the system's limit";
        return strlen(url->path) < sizeof((struct sockaddr_un *)0)->sun_path;
    }
    url->tls = starts_with(&rest, "rediss://");
    if (!url->tls && !starts_with(&rest, "redis://")) {
        *problem = "is not of the form redis://[user:password@]host:port/db, rediss://... or "
                   "unix:///path";
        return false;
    }
    struct slice authority = slice_cut(&rest, '/');
    *problem = "has a user or password that is malformed or too long";
    if (!parse_credentials(&authority, url)) {
        return false;
    }
    *problem = "has a malformed host or port";
    if (!parse_host_and_port(authority, url)) {
        return false;
    }
    *problem = "has a database that is not a number from 0 to 1023";
    return rest.size == 0 || parse_number(rest, DATABASE_MAX, &url->database);
}
