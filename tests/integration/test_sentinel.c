/* Redis behind sentinels: who is asked, who is believed, and what a failover costs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "expect.h"
#include "fake_sentinel.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "redis_group.h"
#include "relation.h"
#include "test.h"

enum { BOUND_MS = PROCESS_BOUND_MS, URL_SIZE = 1024, ANSWER_SIZE = 128, WORDS_SIZE = 128 };

static const struct relation *const rsvp = &relations[RELATION_RSVP];
static const char *const one_worker[] = {"WORKERS=1", NULL};

static struct redis_group *group;
static struct service *service;

/* ---- what the service is told, and tells ---- */

/* redis+sentinel://sentinels/counts and what follows. */
static const char *url_of(const char *sentinels, const char *rest)
{
    static char url[URL_SIZE];
    snprintf(url, sizeof url, "redis+sentinel://%s/" REDIS_GROUP_NAME "%s", sentinels, rest);
    return url;
}

static void start(const char *url)
{
    service = service_start(fixture.database_url, url, one_worker);
}

/* ---- use ---- */

static void write_and_count(const char *event, int number)
{
    char user[32];
    struct http_client *client = http_client_create(service->port);
    snprintf(user, sizeof user, "u%d", number);
    struct http_response *response = relation_write(client, rsvp, "POST", event, user);
    expect_status(response, 201);
    http_response_free(&response);
    response = relation_get_count(client, rsvp, event, "");
    expect_count(response, "event_id", event, "rsvp_count", number);
    http_response_free(&response);
    http_client_destroy(&client);
}

static int64_t keys_of(const struct redis_server *server, const char *event)
{
    char script[128];
    snprintf(script, sizeof script, "return #redis.call('KEYS', '*:%s')", event);
    return redis_server_ask_int64(server, "EVAL %s 0", script);
}

/* Writes until a count of the event is in that Redis. */
static void expect_use(const struct redis_server *server, const char *event)
{
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    for (int number = 1; keys_of(server, event) == 0; number++) {
        if (process_now_ms() > end_ms) {
            process_fail("no count of %s comes to Redis", event);
        }
        write_and_count(event, number);
    }
}

/* ---- the primary ---- */

static void the_primary_is_found(NO_STATE)
{
    char words[WORDS_SIZE];
    const unsigned primary = redis_group_primary(group);
    start(url_of(redis_group_sentinels(group), "/0"));
    expect_use(redis_group_node(group, primary), "found");
    snprintf(words, sizeof words,
             "\"message\":\"a sentinel tells where the primary of redis is\","
             "\"primary\":\"127.0.0.1:%u\"",
             (unsigned)redis_group_port(group, primary));
    service_await_log(service, words);
    service_await_status(service, "ready");
    service_stop(&service);
}

static void kill_primary(unsigned node)
{
    redis_server_kill(redis_group_node(group, node));
}

static void ask_for_failover(unsigned node)
{
    (void)node;
    redis_group_fail_over(group);
}

/* Every write is answered meanwhile, and every count is the newest. */
static void a_failover_is_followed(NO_STATE)
{
    static void (*const begin[])(unsigned node) = {ask_for_failover, kill_primary};
    start(url_of(redis_group_sentinels(group), ""));
    for (size_t i = 0; i < LENGTH(begin); i++) {
        char event[32];
        int number = 0;
        redis_group_heal(group);
        const unsigned former = redis_group_primary(group);
        process_note("failover %zu of node %u", i, former);
        snprintf(event, sizeof event, "followed-%zu", i);
        service_await_status(service, "ready");
        begin[i](former);
        struct redis_server *next =
            redis_group_node(group, redis_group_await_failover(group, former));
        const int64_t end_ms = process_now_ms() + BOUND_MS;
        while (keys_of(next, event) == 0) {
            assert_true(process_now_ms() < end_ms);
            write_and_count(event, ++number);
        }
        service_await_status(service, "ready");
    }
    service_stop(&service);
}

/* ---- sentinels away ---- */

/* Without them a connection goes on; without a connection counts come from PostgreSQL. */
static void sentinels_may_be_away(NO_STATE)
{
    struct redis_server *primary = redis_group_node(group, redis_group_primary(group));
    start(url_of(redis_group_sentinels(group), ""));
    service_await_status(service, "ready");
    redis_group_stop_sentinels(group);
    service_await_log(service,
                      "connection refused"); /* it asks whether the primary is still there */
    assert_int_equal(service_count_in_log(service, "redis is unavailable"), 0);
    expect_use(primary, "without-sentinels");
    redis_server_execute(primary, "CLIENT KILL TYPE normal SKIPME yes");
    service_await_status(service, "degraded");
    service_await_log(service, "no sentinel of REDIS_URL tells where the primary is");
    write_and_count("without-redis", 1);
    redis_group_start_sentinels(group);
    service_await_status(service, "ready");
    service_stop(&service);
}

static void the_service_starts_without_sentinels(NO_STATE)
{
    redis_group_stop_sentinels(group);
    start(url_of(redis_group_sentinels(group), ""));
    service_await_status(service, "degraded");
    write_and_count("started-without", 1);
    redis_group_start_sentinels(group);
    service_await_status(service, "ready");
    service_stop(&service);
}

/* ---- passwords ---- */

/* Its own, and its users' own. */
static void sentinels_may_want_a_password(NO_STATE)
{
    static const struct {
        const char *rest, *words; /* NULL: it is taken */
    } cases[] = {
        {"", "NOAUTH"},
        {"?sentinel_password=sesame", "WRONGPASS"},
        {"?sentinel_username=asker&sentinel_password=sesame", "WRONGPASS"},
        {"?sentinel_username=idler&sentinel_password=open%2F", "NOPERM"},
        {"?sentinel_password=open%2F", NULL},
        {"?sentinel_username=asker&sentinel_password=open%2F", NULL},
    };
    const uint16_t port =
        redis_group_guard(group, "requirepass open/\nuser idler on >open/ +ping\n"
                                 "user asker on >open/ +sentinel|get-master-addr-by-name\n");
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char url[URL_SIZE];
        snprintf(url, sizeof url, "redis+sentinel://127.0.0.1:%u/" REDIS_GROUP_GUARDED_NAME "%s",
                 (unsigned)port, cases[i].rest);
        process_note("%s", url);
        start(url);
        if (cases[i].words == NULL) {
            service_await_status(service, "ready");
        } else {
            service_await_log(service, cases[i].words);
            service_await_status(service, "degraded");
        }
        assert_int_equal(service_count_in_log(service, "sesame"), 0);
        assert_int_equal(service_count_in_log(service, "open/"), 0);
        service_stop(&service);
    }
}

/* ---- those that are no use ---- */

static const struct {
    const char *answer, *words;
} useless[] = {
    {NULL, "no answer in time"},
    {"", "it closed the connection"},
    {"-NOAUTH Authentication required.\r\n", "it wants a password (NOAUTH)"},
    {"-IDONTKNOW sesame\r\n", "it does not know enough yet (IDONTKNOW)"},
    {"-ERR unknown command 'SENTINEL'\r\n", "it refuses to be asked: it may be no sentinel"},
    {"*-1\r\n", "it does not know the name of the primary in REDIS_URL"},
    {"*0\r\n", "its answer does not fit the command"},
    {"HTTP/1.1 400 Bad Request\r\n\r\n", "its answer does not fit the command"},
    {"*2\r\n$9\r\nsesame /?\r\n$4\r\n6379\r\n", "its answer is no address"},
    {"*2\r\n$9\r\n127.0.0.1\r\n$5\r\n65536\r\n", "its answer is no address"},
    {"*2\r\n$-1\r\n$4\r\n6379\r\n", "its answer is no address"},
    {"*2\r\n$9\r\n127.0.0.1\r\n$-1\r\n", "its answer is no address"},
};

/* All of them stand before a good one. Once that has told, it is asked first. */
static void useless_sentinels_are_passed_over(NO_STATE)
{
    struct fake_sentinel *fakes[LENGTH(useless)];
    struct redis_server *primary = redis_group_node(group, redis_group_primary(group));
    char sentinels[URL_SIZE / 2] = "";
    size_t size = 0, asked = 0;
    for (size_t i = 0; i < LENGTH(useless); i++) {
        fakes[i] = fake_sentinel_create(useless[i].answer);
        size += (size_t)snprintf(sentinels + size, sizeof sentinels - size, "127.0.0.1:%u,",
                                 (unsigned)fake_sentinel_port(fakes[i]));
    }
    snprintf(sentinels + size, sizeof sentinels - size, "%s", redis_group_sentinels(group));
    start(url_of(sentinels, ""));
    service_await_status(service, "ready");
    for (size_t i = 0; i < LENGTH(useless); i++) {
        char words[WORDS_SIZE];
        snprintf(words, sizeof words, "\"sentinel\":\"127.0.0.1:%u\",\"reason\":\"%s",
                 (unsigned)fake_sentinel_port(fakes[i]), useless[i].words);
        service_await_log(service, words);
        asked += fake_sentinel_asked(fakes[i]);
    }
    assert_int_equal(service_count_in_log(service, "sesame"), 0);
    redis_server_execute(primary, "CLIENT KILL TYPE normal SKIPME yes");
    expect_use(primary, "passed-over");
    service_await_status(service, "ready");
    for (size_t i = 0; i < LENGTH(useless); i++) {
        asked -= fake_sentinel_asked(fakes[i]);
        fake_sentinel_destroy(&fakes[i]);
    }
    assert_int_equal(asked, 0);
    service_stop(&service);
}

/* ---- those that lie ---- */

static const char *answer_of(uint16_t port)
{
    static char answers[2][ANSWER_SIZE];
    static unsigned next;
    char digits[8], *answer = answers[next++ % LENGTH(answers)];
    const int size = snprintf(digits, sizeof digits, "%u", (unsigned)port);
    snprintf(answer, ANSWER_SIZE, "*2\r\n$9\r\n127.0.0.1\r\n$%d\r\n%s\r\n", size, digits);
    return answer;
}

/* A sentinel that was away tells of a primary that is none by now; it even takes writes. */
static void a_replica_is_not_believed(NO_STATE)
{
    char sentinels[URL_SIZE / 2];
    const unsigned primary = redis_group_primary(group);
    const unsigned replica = (primary + 1) % REDIS_GROUP_NODES;
    struct fake_sentinel *liar = fake_sentinel_create(answer_of(redis_group_port(group, replica)));
    snprintf(sentinels, sizeof sentinels, "127.0.0.1:%u,%s", (unsigned)fake_sentinel_port(liar),
             redis_group_sentinels(group));
    redis_server_execute(redis_group_node(group, replica), "CONFIG SET replica-read-only no");
    start(url_of(sentinels, ""));
    service_await_log(service, "it is no primary (ROLE)");
    expect_use(redis_group_node(group, primary), "believed");
    service_await_status(service, "ready");
    redis_server_execute(redis_group_node(group, replica), "CONFIG SET replica-read-only yes");
    fake_sentinel_destroy(&liar);
    service_stop(&service);
}

/* A sentinel that tells names, of a network that is not the service's. */
static void a_name_that_nobody_knows_is_not_believed(NO_STATE)
{
    char sentinels[URL_SIZE / 2];
    struct fake_sentinel *liar = fake_sentinel_create("*2\r\n$8\r\nno..name\r\n$4\r\n6379\r\n");
    snprintf(sentinels, sizeof sentinels, "127.0.0.1:%u,%s", (unsigned)fake_sentinel_port(liar),
             redis_group_sentinels(group));
    start(url_of(sentinels, ""));
    expect_use(redis_group_node(group, redis_group_primary(group)), "name");
    service_await_status(service, "ready");
    assert_true(service_count_in_log(service, "\"primary\":\"no..name:6379\"") > 0);
    fake_sentinel_destroy(&liar);
    service_stop(&service);
}

/* Both are primaries: the old one is cut off from its sentinels, and not from the service. */
static void an_old_primary_is_left(NO_STATE)
{
    char sentinel[32];
    int lock;
    const unsigned primary = redis_group_primary(group);
    const uint16_t port = port_reserve(&lock);
    struct fake_sentinel *fake = fake_sentinel_create(answer_of(port));
    redis_server_execute(fixture.redis, "CONFIG SET bind 127.0.0.1");
    redis_server_execute(fixture.redis, "CONFIG SET port %u", (unsigned)port);
    snprintf(sentinel, sizeof sentinel, "127.0.0.1:%u", (unsigned)fake_sentinel_port(fake));
    start(url_of(sentinel, ""));
    expect_use(fixture.redis, "old");
    fake_sentinel_answer(fake, answer_of(redis_group_port(group, primary)));
    service_await_log(service, "a sentinel tells that the primary is elsewhere");
    expect_use(redis_group_node(group, primary), "new");
    service_await_status(service, "ready");
    assert_int_equal(redis_server_client_count(fixture.redis), 0);
    fake_sentinel_destroy(&fake);
    service_stop(&service);
    redis_server_execute(fixture.redis, "CONFIG SET port 0");
    close(lock);
}

/* ---- the program ---- */

static int setup(void **state)
{
    const int failed = fixture_setup_servers(state);
    group = redis_group_create();
    return failed;
}

static int heal(void **state)
{
    service_discard(&service);
    redis_group_heal(group);
    return fixture_heal(state);
}

static int teardown(void **state)
{
    service_discard(&service);
    redis_group_destroy(&group);
    return fixture_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_primary_is_found, heal),
        cmocka_unit_test_teardown(useless_sentinels_are_passed_over, heal),
        cmocka_unit_test_teardown(a_replica_is_not_believed, heal),
        cmocka_unit_test_teardown(a_name_that_nobody_knows_is_not_believed, heal),
        cmocka_unit_test_teardown(an_old_primary_is_left, heal),
        cmocka_unit_test_teardown(sentinels_may_want_a_password, heal),
        cmocka_unit_test_teardown(sentinels_may_be_away, heal),
        cmocka_unit_test_teardown(the_service_starts_without_sentinels, heal),
        cmocka_unit_test_teardown(a_failover_is_followed, heal),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
