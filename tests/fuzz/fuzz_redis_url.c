/* REDIS_URL: its parts, put together again, give the same parts. */
#include "fuzz.h"

#include "rsvpd/store/redis_url.h"

#include <stdlib.h>

enum { URL_SIZE_BYTES = 128 + (REDIS_SENTINELS_MAX + 6) * 3 * REDIS_URL_PART_SIZE_BYTES };

static void build_host(struct text *text, const char *host, int port)
{
    text_add_cstr(text, "[");
    text_add_cstr(text, host);
    text_add_format(text, "]:%d", port);
}

/* What follows user and password. */
static void build_sentinels(struct text *text, const struct redis_url *url)
{
    for (size_t i = 0; i < url->sentinel_count; i++) {
        text_add_cstr(text, i == 0 ? "" : ",");
        build_host(text, url->sentinels[i].host, url->sentinels[i].port);
    }
    text_add_cstr(text, "/");
    fuzz_percent_encode(text, slice_of(url->master_name));
    text_add_format(text, "/%d", url->database);
    if (url->sentinel_password[0] != '\0') {
        text_add_cstr(text, "?sentinel_password=");
        fuzz_percent_encode(text, slice_of(url->sentinel_password));
    }
    if (url->sentinel_user[0] != '\0') {
        text_add_cstr(text, "&sentinel_username=");
        fuzz_percent_encode(text, slice_of(url->sentinel_user));
    }
}

static void build(struct text *text, const struct redis_url *url)
{
    if (url->path[0] != '\0') {
        text_add_cstr(text, "unix:///");
        fuzz_percent_encode(text, slice_of(url->path + 1));
        return;
    }
    text_add_cstr(text, url->tls ? "rediss" : "redis");
    text_add_cstr(text, url->sentinel_count > 0 ? "+sentinel://" : "://");
    if (url->user[0] != '\0' || url->password[0] != '\0') {
        fuzz_percent_encode(text, slice_of(url->user));
        text_add_cstr(text, ":");
        fuzz_percent_encode(text, slice_of(url->password));
        text_add_cstr(text, "@");
    }
    if (url->sentinel_count > 0) {
        build_sentinels(text, url);
        return;
    }
    build_host(text, url->host, url->port);
    text_add_format(text, "/%d", url->database);
}

static void expect_same(const struct redis_url *a, const struct redis_url *b)
{
    assert(strcmp(a->path, b->path) == 0 && strcmp(a->host, b->host) == 0);
    assert(strcmp(a->user, b->user) == 0 && strcmp(a->password, b->password) == 0);
    assert(a->port == b->port && a->database == b->database && a->tls == b->tls);
    assert(a->sentinel_count == b->sentinel_count);
    for (size_t i = 0; i < a->sentinel_count; i++) {
        assert(strcmp(a->sentinels[i].host, b->sentinels[i].host) == 0);
        assert(a->sentinels[i].port == b->sentinels[i].port);
    }
    assert(strcmp(a->master_name, b->master_name) == 0);
    assert(strcmp(a->sentinel_user, b->sentinel_user) == 0);
    assert(strcmp(a->sentinel_password, b->sentinel_password) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_string(fuzz_input(data, size));
    struct redis_url url, again;
    const char *problem = NULL;
    if (redis_url_parse(text, &url, &problem)) {
        char buffer[URL_SIZE_BYTES];
        struct text built = text_over(buffer, sizeof buffer - 1);
        assert((url.path[0] == '/') + (url.host[0] != '\0') + (url.sentinel_count > 0) == 1);
        assert(url.host[0] == '\0' || (url.port >= 1 && url.port <= 65535));
        assert((url.sentinel_count > 0) == (url.master_name[0] != '\0') && url.database >= 0);
        build(&built, &url);
        assert(!built.truncated);
        buffer[built.size] = '\0';
        bool valid = redis_url_parse(buffer, &again, &problem);
        assert(valid);
        expect_same(&url, &again);
    } else {
        assert(problem != NULL);
    }
    free(text);
    return 0;
}
