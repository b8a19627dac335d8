/* REDIS_URL taken apart. */
#include "rsvpd/store/redis_url.h"
#include "rsvpd/base/slice.h"

#include <ctype.h>
#include <stdlib.h>
#include <sys/un.h>

enum { DEFAULT_PORT = 6379, DEFAULT_SENTINEL_PORT = 26379, PORT_MAX = 65535, DATABASE_MAX = 1023 };

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
    int64_t number;
    if (!slice_number(text, 5, &number) || number > max) {
        return false;
    }
    *out = (int)number;
    return true;
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

bool redis_url_host_valid(struct slice host)
{
    static const char others[] = {'.', '-', '_', ':'};
    for (size_t i = 0; i < host.size; i++) {
        if (!isalnum((unsigned char)host.data[i]) &&
            memchr(others, host.data[i], sizeof others) == NULL) {
            return false;
        }
    }
    return host.size > 0;
}

bool redis_url_parse_port(struct slice text, int *port)
{
    return parse_number(text, PORT_MAX, port) && *port > 0;
}

/* `port` keeps its value where the text has none. */
static bool parse_host_and_port(struct slice authority, char host_out[REDIS_URL_PART_SIZE_BYTES],
                                int *port)
{
    struct slice host;
    if (authority.size > 0 && authority.data[0] == '[') { /* an IPv6 address */
        if (memchr(authority.data, ']', authority.size) == NULL) {
            return false;
        }
        authority = slice_skip(authority, 1);
        host = slice_cut(&authority, ']');
        if (authority.size > 0 && authority.data[0] != ':') {
            return false;
        }
        (void)slice_cut(&authority, ':');
    } else {
        host = slice_cut(&authority, ':');
    }
    return parse_part(host, host_out) && redis_url_host_valid(slice_of(host_out)) &&
           (authority.data == NULL || redis_url_parse_port(authority, port));
}

static bool parse_database(struct slice text, struct redis_url *url)
{
    return text.size == 0 || parse_number(text, DATABASE_MAX, &url->database);
}

static bool parse_path(struct slice path, struct redis_url *url, const char **problem)
{
    *problem = "has no absolute path of a socket after unix://";
    if (path.size < 2 || path.data[0] != '/' || !parse_part(path, url->path)) {
        return false;
    }
    *problem = "has a path of a socket that is longer than the system's limit";
    return strlen(url->path) < sizeof((struct sockaddr_un *)0)->sun_path;
}

/* ---- sentinels ---- */

static bool parse_sentinels(struct slice list, struct redis_url *url, const char **problem)
{
    *problem = "has a malformed host or port of a sentinel: they are host:port,host:port,...";
    do {
        struct slice one = slice_cut(&list, ',');
        if (url->sentinel_count == REDIS_SENTINELS_MAX) {
            *problem = "has more than 16 sentinels";
            return false;
        }
        struct redis_endpoint *sentinel = &url->sentinels[url->sentinel_count++];
        sentinel->port = DEFAULT_SENTINEL_PORT;
        if (!parse_host_and_port(one, sentinel->host, &sentinel->port)) {
            return false;
        }
    } while (list.data != NULL);
    return true;
}

/* What follows the question mark. */
static bool parse_parameters(struct slice query, struct redis_url *url)
{
    while (query.data != NULL) {
        struct slice parameter = slice_cut(&query, '&');
        char *out;
        if (starts_with(&parameter, "sentinel_username=")) {
            out = url->sentinel_user;
        } else if (starts_with(&parameter, "sentinel_password=")) {
            out = url->sentinel_password;
        } else {
            return false;
        }
        if (*out != '\0' || parameter.size == 0 || !parse_part(parameter, out)) {
            return false;
        }
    }
    return url->sentinel_user[0] == '\0' || url->sentinel_password[0] != '\0';
}

/* What follows the sentinels: name[/db][?parameters]. */
static bool parse_master(struct slice rest, struct redis_url *url, const char **problem)
{
    struct slice path = slice_cut(&rest, '?');
    struct slice name = slice_cut(&path, '/');
    *problem = "has no name of the primary behind the sentinels, as in "
               "redis+sentinel://host:26379/name/0, or one that is malformed or too long";
    if (name.size == 0 || !parse_part(name, url->master_name)) {
        return false;
    }
    *problem = "has a database that is not a number from 0 to 1023";
    if (!parse_database(path, url)) {
        return false;
    }
    *problem = "has parameters other than sentinel_password and, with it, sentinel_username, or "
               "one of these that is empty, malformed, too long or there twice";
    return parse_parameters(rest, url);
}

/* ---- all of it ---- */

bool redis_url_parse(const char *text, struct redis_url *url, const char **problem)
{
    struct slice rest = slice_of(text);
    *url = (struct redis_url){0};
    if (starts_with(&rest, "unix://")) {
        return parse_path(rest, url, problem);
    }
    bool sentinels = false;
    if (starts_with(&rest, "redis+sentinel://")) {
        sentinels = true;
    } else if (starts_with(&rest, "rediss+sentinel://")) {
        sentinels = url->tls = true;
    } else if (starts_with(&rest, "rediss://")) {
        url->tls = true;
    } else if (!starts_with(&rest, "redis://")) {
        *problem = "is not of the form redis://[user:password@]host:port/db, rediss://..., "
                   "redis+sentinel://[user:password@]host:port,host:port/name/db, "
                   "rediss+sentinel://... or unix:///path";
        return false;
    }
    struct slice authority = slice_cut(&rest, '/');
    *problem = "has a user or password that is malformed or too long";
    if (!parse_credentials(&authority, url)) {
        return false;
    }
    if (sentinels) {
        return parse_sentinels(authority, url, problem) && parse_master(rest, url, problem);
    }
    *problem = "has a malformed host or port";
    url->port = DEFAULT_PORT;
    if (!parse_host_and_port(authority, url->host, &url->port)) {
        return false;
    }
    *problem = "has a database that is not a number from 0 to 1023";
    return parse_database(rest, url);
}
