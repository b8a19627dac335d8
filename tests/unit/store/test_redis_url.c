/* REDIS_URL in all its forms, and what is none. */
#include "unit.h"

#include "rsvpd/store/redis_url.h"

#include <stdio.h>

static void test_good_ones(NO_STATE)
{
    static const struct {
        const char *text;
        struct redis_url url;
    } cases[] = {
#define TCP(host_, port_, database_) .host = host_, .port = port_, .database = database_
        {"redis://h", {TCP("h", 6379, 0)}},
        {"redis://h/", {TCP("h", 6379, 0)}},
        {"redis://h/0", {TCP("h", 6379, 0)}},
        {"redis://h/1023", {TCP("h", 6379, 1023)}},
        {"redis://h:1", {TCP("h", 1, 0)}},
        {"redis://h:65535/15", {TCP("h", 65535, 15)}},
        {"redis://127.0.0.1:6380/2", {TCP("127.0.0.1", 6380, 2)}},
        {"redis://cache.example.org:6380", {TCP("cache.example.org", 6380, 0)}},
        {"redis://[::1]", {TCP("::1", 6379, 0)}},
        {"redis://[::1]/3", {TCP("::1", 6379, 3)}},
        {"redis://[2001:db8::7]:6380/3", {TCP("2001:db8::7", 6380, 3)}},
        {"redis://u:p@h", {TCP("h", 6379, 0), .user = "u", .password = "p"}},
        {"redis://:p@h:7/1", {TCP("h", 7, 1), .password = "p"}},
        {"redis://u:p@[::1]:7", {TCP("::1", 7, 0), .user = "u", .password = "p"}},
        {"redis://u:a:b@h", {TCP("h", 6379, 0), .user = "u", .password = "a:b"}},
        {"redis://u:a@b@h", {TCP("h", 6379, 0), .user = "u", .password = "a@b"}},
        {"redis://u%3A:%70%2F%40%25%C3%A9@h",
         {TCP("h", 6379, 0), .user = "u:", .password = "p/@%\xC3\xA9"}},
        {"redis://%68", {TCP("h", 6379, 0)}},
        {"rediss://h", {TCP("h", 6379, 0), .tls = true}},
        {"rediss://u:p@h:6380/2", {TCP("h", 6380, 2), .user = "u", .password = "p", .tls = true}},
#undef TCP
        {"unix:///run/redis.sock", {.path = "/run/redis.sock"}},
        {"unix:///r", {.path = "/r"}},
        {"unix:///a%20b/c", {.path = "/a b/c"}},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *text = cases[i].text, *problem = NULL;
        const struct redis_url *expected = &cases[i].url;
        struct redis_url url;
        memset(&url, 'x', sizeof url);
        if (!redis_url_parse(text, &url, &problem)) {
            fail_msg("%s is refused: %s", text, problem);
        }
        unit_expect_text(text, slice_of(url.path), expected->path);
        unit_expect_text(text, slice_of(url.host), expected->host);
        unit_expect_text(text, slice_of(url.user), expected->user);
        unit_expect_text(text, slice_of(url.password), expected->password);
        assert_int_equal(url.database, expected->database);
        assert_int_equal(url.tls, expected->tls);
        if (*expected->path == '\0') {
            assert_int_equal(url.port, expected->port);
        }
    }
}

/* ---- sentinels ---- */

static void expect_sentinels(const char *text, const struct redis_url *url,
                             const struct redis_url *expected)
{
    assert_int_equal(url->sentinel_count, expected->sentinel_count);
    for (size_t i = 0; i < expected->sentinel_count; i++) {
        unit_expect_text(text, slice_of(url->sentinels[i].host), expected->sentinels[i].host);
        assert_int_equal(url->sentinels[i].port, expected->sentinels[i].port);
    }
    unit_expect_text(text, slice_of(url->master_name), expected->master_name);
    unit_expect_text(text, slice_of(url->sentinel_user), expected->sentinel_user);
    unit_expect_text(text, slice_of(url->sentinel_password), expected->sentinel_password);
}

static void test_good_ones_of_sentinels(NO_STATE)
{
    static const struct {
        const char *text;
        struct redis_url url;
    } cases[] = {
#define ONE .sentinel_count = 1, .sentinels = {{"h", 26379}}
        {"redis+sentinel://h/m", {ONE, .master_name = "m"}},
        {"redis+sentinel://h/m/", {ONE, .master_name = "m"}},
        {"redis+sentinel://h/m/1023", {ONE, .master_name = "m", .database = 1023}},
        {"rediss+sentinel://h/m", {ONE, .master_name = "m", .tls = true}},
        {"redis+sentinel://h/my%2Fm%3F", {ONE, .master_name = "my/m?"}},
        {"redis+sentinel://u:p@h/m", {ONE, .master_name = "m", .user = "u", .password = "p"}},
        {"redis+sentinel://u:a@b,c@h/m",
         {ONE, .master_name = "m", .user = "u", .password = "a@b,c"}},
        {"redis+sentinel://h/m?sentinel_password=s%26%3D@/?",
         {ONE, .master_name = "m", .sentinel_password = "s&=@/?"}},
        {"redis+sentinel://:p@h/m/2?sentinel_username=w&sentinel_password=s",
         {ONE, .master_name = "m", .password = "p", .database = 2, .sentinel_user = "w",
          .sentinel_password = "s"}},
        {"redis+sentinel://h/m?sentinel_password=s&sentinel_username=w",
         {ONE, .master_name = "m", .sentinel_user = "w", .sentinel_password = "s"}},
#undef ONE
        {"redis+sentinel://a:1,b.example.org,[::1],[2001:db8::7]:65535,10.0.0.1:7/m/3",
         {.sentinel_count = 5,
          .sentinels = {{"a", 1},
                        {"b.example.org", 26379},
                        {"::1", 26379},
                        {"2001:db8::7", 65535},
                        {"10.0.0.1", 7}},
          .master_name = "m",
          .database = 3}},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *text = cases[i].text, *problem = NULL;
        const struct redis_url *expected = &cases[i].url;
        struct redis_url url;
        memset(&url, 'x', sizeof url);
        if (!redis_url_parse(text, &url, &problem)) {
            fail_msg("%s is refused: %s", text, problem);
        }
        expect_sentinels(text, &url, expected);
        unit_expect_text(text, slice_of(url.path), "");
        unit_expect_text(text, slice_of(url.host), "");
        unit_expect_text(text, slice_of(url.user), expected->user);
        unit_expect_text(text, slice_of(url.password), expected->password);
        assert_int_equal(url.database, expected->database);
        assert_int_equal(url.tls, expected->tls);
    }
}

static void test_sentinels_are_bounded(NO_STATE)
{
    for (size_t count = 1; count <= REDIS_SENTINELS_MAX + 2; count++) {
        char text[300] = "redis+sentinel://h";
        const char *problem;
        struct redis_url url;
        for (size_t i = 1; i < count; i++) {
            strcat(text, ",h");
        }
        strcat(text, "/m");
        assert_int_equal(redis_url_parse(text, &url, &problem), count <= REDIS_SENTINELS_MAX);
    }
}

/* ---- what is wrong ---- */

static const char *const malformed[] = {
    "",
    "h",
    "h:6379",
    "//h",
    "/run/redis.sock",
    "redis",
    "redis:",
    "redis:/h",
    "redis:h",
    "http://h",
    "rediss:/h",
    "rediss://",
    "redisss://h",
    "REDIS://h",
    " redis://h",
    "redis+unix:///r",
    /* no host, or a malformed one */
    "redis://",
    "redis:///",
    "redis:///0",
    "redis://:6379",
    "redis://u:p@",
    "redis://u:p@/0",
    "redis://@",
    "redis://[]",
    "redis://[]:1",
    "redis://[::1",
    "redis://[::1/0",
    "redis://h?db=1",
    "redis://h#x",
    "redis://h h",
    "redis://h\n",
    "redis://[::1]6379",
    "redis://[::1]x",
    "redis://h%",
    "redis://h%4",
    "redis://h%4z",
    "redis://h%zz",
    "redis://h%00",
    /* port */
    "redis://h:",
    "redis://h:/0",
    "redis://h:0",
    "redis://h:65536",
    "redis://h:99999",
    "redis://h:123456",
    "redis://h:-1",
    "redis://h:+1",
    "redis://h: 1",
    "redis://h:1 ",
    "redis://h:1x",
    "redis://h:x",
    "redis://h:1:2",
    "redis://[::1]:",
    "redis://[::1]:x",
    "redis://::1",
    "redis://h:1?db=2",
    /* database */
    "redis://h/x",
    "redis://h/-1",
    "redis://h/1024",
    "redis://h/99999",
    "redis://h/123456",
    "redis://h/0/",
    "redis://h/0/1",
    "redis://h//",
    "redis://h/0?x",
    "redis://h/ 0",
    /* user and password */
    "redis://u:%@h",
    "redis://u:%4@h",
    "redis://u:%zz@h",
    "redis://u:%00@h",
    "redis://%:p@h",
    "redis://u%00:p@h",
    /* path */
    "unix:",
    "unix:/r",
    "unix://",
    "unix:///",
    "unix://r",
    "unix://r/s",
    "unix:///%",
    "unix:///a%00",
    "unix:///a%4",
    "UNIX:///r",
    /* sentinels */
    "redis+sentinel:",
    "redis+sentinel://",
    "redis+sentinel:///m",
    "redis+sentinel://u:p@/m",
    "redis+sentinel://h,/m",
    "redis+sentinel://,h/m",
    "redis+sentinel://h,,h/m",
    "redis+sentinel://h, h/m",
    "redis+sentinel://h;h/m",
    "redis+sentinel://h:,h/m",
    "redis+sentinel://h:0/m",
    "redis+sentinel://h:1,h:65536/m",
    "redis+sentinel://[::1,h/m",
    "redis+sentinel://::1,h/m",
    "redis+sentinel://h%2Ch/m",
    "redis+sentinel://h/m/x",
    "redis+sentinel://h/m/1024",
    "redis+sentinel://h/m/0/",
    "redis+sentinel://h/%",
    "redis+sentinel://h/%00",
    "redis+sentinel://h/m?",
    "redis+sentinel://h/m?x",
    "redis+sentinel://h/m?db=1",
    "redis+sentinel://h/m?sentinel_password",
    "redis+sentinel://h/m?sentinel_password=",
    "redis+sentinel://h/m?sentinel_password=%",
    "redis+sentinel://h/m?sentinel_password=a&",
    "redis+sentinel://h/m?sentinel_password=a&sentinel_password=b",
    "redis+sentinel://h/m?sentinel_username=a",
    "redis+sentinel://h/m?sentinel_username=&sentinel_password=b",
    "redis+sentinel://h/m?Sentinel_password=a",
    "redis://h/m",
    "redis://a,b/0",
    "redis://h/0?sentinel_password=a",
    "redis-sentinel://h/m",
    "sentinel://h/m",
    "redis+sentinels://h/m",
    /* no name of the primary */
    "redis+sentinel://h",
    "redis+sentinel://h/",
    "redis+sentinel://h//0",
    "redis+sentinel://h/?sentinel_password=a",
    "redis+sentinel://h?sentinel_password=a",
};

static void test_malformed_ones(NO_STATE)
{
    for (size_t i = 0; i < LENGTH(malformed); i++) {
        const char *problem = NULL;
        struct redis_url url;
        if (redis_url_parse(malformed[i], &url, &problem)) {
            fail_msg("'%s' was taken", malformed[i]);
        }
        assert_non_null(problem);
        assert_true(strlen(problem) > 0);
    }
}

/* Which part is wrong is said; what stands there is not: it may be the password. */
static void test_problems_name_the_part(NO_STATE)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"http://sesame", "form"},
        {"redis://u:sesame%@h", "password"},
        {"redis://u:sesame@h:x", "port"},
        {"redis://u:sesame@", "host"},
        {"redis://u:sesame@h/x", "database"},
        {"unix://sesame", "path"},
        {"redis+sentinel://u:sesame%@h/m", "password"},
        {"redis+sentinel://u:sesame@h", "name"},
        {"redis+sentinel://u:sesame@h,h:x/m", "sentinel"},
        {"redis+sentinel://u:sesame@h/m/x", "database"},
        {"redis+sentinel://h/m?password=sesame", "sentinel_password"},
        {"redis+sentinel://h/m?sentinel_password=sesame%", "sentinel_password"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *problem = NULL;
        struct redis_url url;
        assert_false(redis_url_parse(cases[i].text, &url, &problem));
        assert_non_null(strstr(problem, cases[i].word));
        assert_null(strstr(problem, "sesame"));
    }
}

/* Not the URL alone: a sentinel tells hosts too, with any byte in them. */
static void test_hosts(NO_STATE)
{
    static const struct slice good[] = {
        {"a", 1}, {"redis_1.example-2", 17}, {"fe80::1", 7}, {"0.0.0.0", 7}};
    static const struct slice bad[] = {
        {"", 0}, {"\0", 1}, {"a\0b", 3}, {"a\0", 2}, {"a b", 3}, {"fe80::1%eth0", 12}, {"\xe4", 1}};
    for (size_t i = 0; i < LENGTH(good); i++) {
        assert_true(redis_url_host_valid(good[i]));
    }
    for (size_t i = 0; i < LENGTH(bad); i++) {
        assert_false(redis_url_host_valid(bad[i]));
    }
}

/* Each part fits up to its bound, and is refused above. */
static void test_long_parts(NO_STATE)
{
    static const struct {
        const char *before, *after;
        size_t offset, size_max;
    } cases[] = {
        {"redis://", ":1/2", offsetof(struct redis_url, host), 255},
        {"redis://", ":p@h", offsetof(struct redis_url, user), 255},
        {"redis://u:", "@h", offsetof(struct redis_url, password), 255},
        {"redis://[", "]", offsetof(struct redis_url, host), 255},
        {"redis+sentinel://", "/m", offsetof(struct redis_url, sentinels[0].host), 255},
        {"redis+sentinel://h/", "/0", offsetof(struct redis_url, master_name), 255},
        {"redis+sentinel://h/m?sentinel_password=", "",
         offsetof(struct redis_url, sentinel_password), 255},
        {"redis+sentinel://h/m?sentinel_username=", "&sentinel_password=p",
         offsetof(struct redis_url, sentinel_user), 255},
        {"unix:///", "", offsetof(struct redis_url, path), 107}, /* unix(7) */
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        size_t slash = strcmp(cases[i].before, "unix:///") == 0; /* it is part of the path */
        for (size_t size = cases[i].size_max - 1; size < cases[i].size_max + 3; size++) {
            char part[300] = "", text[400];
            const char *problem;
            struct redis_url url;
            memset(part, 'x', size - slash);
            snprintf(text, sizeof text, "%s%s%s", cases[i].before, part, cases[i].after);
            bool good = redis_url_parse(text, &url, &problem);
            assert_int_equal(good, size <= cases[i].size_max);
            if (good) {
                assert_int_equal(strlen((const char *)&url + cases[i].offset), size);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_ones),
        cmocka_unit_test(test_good_ones_of_sentinels),
        cmocka_unit_test(test_sentinels_are_bounded),
        cmocka_unit_test(test_malformed_ones),
        cmocka_unit_test(test_problems_name_the_part),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_long_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
