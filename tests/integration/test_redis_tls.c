/* Redis over TLS: a real server, whom rsvpd must be sure of, and who may want to be sure of rsvpd.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "expect.h"
#include "fixture.h"
#include "process.h"
#include "relation.h"
#include "sentinel.h"
#include "test.h"

enum {
    BOUND_MS = PROCESS_BOUND_MS,
    PATH_SIZE = PROCESS_PATH_SIZE + 32,
    ENTRY_SIZE = PATH_SIZE + 32
};
enum { DAY_S = 86400 };

static const struct relation *const rsvp = &relations[RELATION_RSVP];

static struct {
    char directory[PROCESS_PATH_SIZE];
    char ca[PATH_SIZE], other_ca[PATH_SIZE], nonsense[PATH_SIZE];
    char port_text[16];
    uint16_t port;
    int lock;
    struct service *service;
    struct sentinel sentinel;
} tls;

/* ---- certificates ---- */

static const char *path_of(const char *name, const char *ending)
{
    static char paths[16][PATH_SIZE];
    static unsigned next;
    char *path = paths[next++ % LENGTH(paths)];
    snprintf(path, PATH_SIZE, "%s/%s.%s", tls.directory, name, ending);
    return path;
}

static void make(const struct certificate_authority *authority, const char *name, const char *names,
                 long good_for_s)
{
    certificate_make(authority, names, good_for_s, path_of(name, "crt"), path_of(name, "key"));
}

static void make_certificates(void)
{
    struct certificate_authority *authority = certificate_authority_create();
    struct certificate_authority *other = certificate_authority_create();
    certificate_authority_write(authority, tls.ca);
    certificate_authority_write(other, tls.other_ca);
    make(authority, "good", "DNS:localhost,IP:127.0.0.1", DAY_S);
    make(authority, "name", "DNS:localhost", DAY_S);
    make(authority, "elsewhere", "DNS:redis.example.org,IP:192.0.2.1", DAY_S);
    make(authority, "expired", "DNS:localhost,IP:127.0.0.1", -DAY_S);
    make(authority, "client", "DNS:rsvpd", DAY_S);
    make(other, "strange_client", "DNS:rsvpd", DAY_S);
    process_write_file(tls.nonsense, "-----BEGIN CERTIFICATE-----\nnonsense\n");
    certificate_authority_destroy(&authority);
    certificate_authority_destroy(&other);
}

/* ---- the server ---- */

/* Starts the server with that certificate; `clients`: whether it wants one of them. */
static void serve_with(const char *certificate, bool clients)
{
    static char certificate_path[PATH_SIZE], key_path[PATH_SIZE];
    static const char *arguments[16];
    snprintf(certificate_path, PATH_SIZE, "%s", path_of(certificate, "crt"));
    snprintf(key_path, PATH_SIZE, "%s", path_of(certificate, "key"));
    const char *const wanted[] = {"--bind",
                                  "127.0.0.1",
                                  "--tls-port",
                                  tls.port_text,
                                  "--tls-cert-file",
                                  certificate_path,
                                  "--tls-key-file",
                                  key_path,
                                  "--tls-ca-cert-file",
                                  tls.ca,
                                  "--tls-auth-clients",
                                  clients ? "yes" : "no",
                                  NULL};
    memcpy(arguments, wanted, sizeof wanted);
    redis_server_stop(fixture.redis);
    redis_server_set_arguments(fixture.redis, arguments);
    redis_server_start(fixture.redis);
}

/* ---- the service ---- */

static const char *entry(const char *name, const char *value)
{
    static char entries[8][ENTRY_SIZE];
    static unsigned next;
    char *text = entries[next++ % LENGTH(entries)];
    snprintf(text, ENTRY_SIZE, "%s=%s", name, value);
    return text;
}

static const char *url_of(const char *host)
{
    static char url[64];
    snprintf(url, sizeof url, "rediss://%s:%u/0", host, (unsigned)tls.port);
    return url;
}

static void start(const char *host, const char *ca, const char *client)
{
    const char *variables[4] = {entry("REDIS_TLS_CA_FILE", ca)};
    if (client != NULL) {
        variables[1] = entry("REDIS_TLS_CERT_FILE", path_of(client, "crt"));
        variables[2] = entry("REDIS_TLS_KEY_FILE", path_of(client, "key"));
    }
    tls.service = service_start(fixture.database_url, url_of(host), variables);
}

/* Behind a sentinel with that certificate. */
static void start_behind(const char *certificate)
{
    char lines[4 * ENTRY_SIZE], url[64];
    sentinel_create(&tls.sentinel);
    snprintf(lines, sizeof lines,
             "port 0\ntls-port %u\ntls-cert-file %s\ntls-key-file %s\ntls-ca-cert-file %s\n"
             "tls-auth-clients no\ntls-replication yes\n",
             (unsigned)tls.sentinel.port, path_of(certificate, "crt"), path_of(certificate, "key"),
             tls.ca);
    const struct sentinel_watch watch = {
        .name = "counts", .primary = tls.port, .quorum = 1, .lines = lines};
    sentinel_start(&tls.sentinel, &watch);
    snprintf(url, sizeof url, "rediss+sentinel://127.0.0.1:%u/counts/0",
             (unsigned)tls.sentinel.port);
    tls.service = service_start(fixture.database_url, url,
                                (const char *const[]){entry("REDIS_TLS_CA_FILE", tls.ca), NULL});
}

/* Writes until a count of the event is in Redis, and reads it from there. */
static void expect_use(const char *event)
{
    char script[128], user[32], target[64];
    const int64_t end_ms = process_now_ms() + BOUND_MS;
    struct http_client *client = http_client_create(tls.service->port);
    snprintf(script, sizeof script, "return #redis.call('KEYS', '*:%s')", event);
    for (int i = 0; redis_server_ask_int64(fixture.redis, "EVAL %s 0", script) == 0; i++) {
        snprintf(user, sizeof user, "u%d", i);
        struct http_response *response = relation_write(client, rsvp, "POST", event, user);
        http_response_free(&response);
        if (process_now_ms() > end_ms) {
            process_fail("no count is published");
        }
        process_nap();
    }
    snprintf(target, sizeof target, "/v1/events/%s/rsvp_count", event);
    struct http_response *response = http_request(client, "GET", target, NULL);
    expect_status(response, 200);
    http_response_free(&response);
    http_client_destroy(&client);
}

/* Redis is not used, for this reason, and the service serves. */
static void expect_refusal(const char *reason)
{
    service_await_log(tls.service, reason);
    struct http_client *client = http_client_create(tls.service->port);
    struct http_response *response = relation_write(client, rsvp, "POST", "refused", "u1");
    assert_int_equal(response->status / 100, 2);
    http_response_free(&response);
    http_client_destroy(&client);
    char *log = service_stop_and_read_log(&tls.service);
    assert_null(strstr(log, "redis is available"));
    free(log);
}

static int set_up(void **state)
{
    fixture_setup_servers(state);
    process_make_directory(tls.directory, NULL);
    snprintf(tls.ca, PATH_SIZE, "%s/ca.pem", tls.directory);
    snprintf(tls.other_ca, PATH_SIZE, "%s/other_ca.pem", tls.directory);
    snprintf(tls.nonsense, PATH_SIZE, "%s/nonsense.pem", tls.directory);
    tls.port = port_reserve(&tls.lock);
    snprintf(tls.port_text, sizeof tls.port_text, "%u", (unsigned)tls.port);
    make_certificates();
    return 0;
}

static int tear_down(void **state)
{
    service_discard(&tls.service);
    close(tls.lock);
    process_remove_directory(tls.directory);
    return fixture_teardown(state);
}

static int discard(NO_STATE)
{
    service_discard(&tls.service);
    sentinel_destroy(&tls.sentinel);
    return 0;
}

/* ---- cases ---- */

static void a_server_that_is_who_it_says_is_used(NO_STATE)
{
    serve_with("good", false);
    start("127.0.0.1", tls.ca, NULL);
    expect_use("by_address");
    service_stop(&tls.service);
    start("localhost", tls.ca, NULL);
    expect_use("by_name");
    service_stop(&tls.service);
}

/* The connection is made again with what the files hold by then. */
static void a_new_authority_is_read_for_the_next_connection(NO_STATE)
{
    serve_with("good", false);
    char *good = process_read_file(tls.ca);
    char *other = process_read_file(tls.other_ca);
    const char *path = path_of("rotated", "pem");
    process_write_file(path, good);
    start("127.0.0.1", path, NULL);
    expect_use("before");
    process_write_file(path, other);
    redis_server_ask_int64(fixture.redis, "CLIENT KILL TYPE normal SKIPME yes");
    service_await_log(tls.service, "is of an authority that is not trusted");
    process_write_file(path, good);
    expect_use("after");
    service_stop(&tls.service);
    free(good);
    free(other);
}

static void an_unknown_authority_is_refused(NO_STATE)
{
    serve_with("good", false);
    start("127.0.0.1", tls.other_ca, NULL);
    expect_refusal("is of an authority that is not trusted: see REDIS_TLS_CA_FILE");
}

/* The system's authorities have not signed it. */
static void without_an_authority_the_systems_count(NO_STATE)
{
    serve_with("good", false);
    tls.service = service_start(fixture.database_url, url_of("127.0.0.1"), NULL);
    expect_refusal("is of an authority that is not trusted: see REDIS_TLS_CA_FILE");
}

static void another_host_is_refused(NO_STATE)
{
    serve_with("elsewhere", false);
    start("localhost", tls.ca, NULL);
    expect_refusal("TLS: its certificate is not for the host of REDIS_URL");
    start("127.0.0.1", tls.ca, NULL);
    expect_refusal("TLS: its certificate is not for the address in REDIS_URL");
    serve_with("name", false);
    start("127.0.0.1", tls.ca, NULL);
    expect_refusal("TLS: its certificate is not for the address in REDIS_URL");
}

static void an_expired_certificate_is_refused(NO_STATE)
{
    serve_with("expired", false);
    start("127.0.0.1", tls.ca, NULL);
    expect_refusal("TLS: its certificate has expired");
}

static void a_server_may_want_a_certificate_of_the_client(NO_STATE)
{
    serve_with("good", true);
    start("127.0.0.1", tls.ca, "client");
    expect_use("with_certificate");
    service_stop(&tls.service);
    start("127.0.0.1", tls.ca, NULL);
    expect_refusal("TLS: it wants a certificate of the client: see REDIS_TLS_CERT_FILE");
    start("127.0.0.1", tls.ca, "strange_client");
    expect_refusal("TLS: it refuses the certificate of REDIS_TLS_CERT_FILE");
}

/* It waits for more of what it takes for a command, or answers with an error. */
static void a_plain_port_is_not_used(NO_STATE)
{
    const char *const plain[] = {"--bind", "127.0.0.1", "--port", tls.port_text, NULL};
    redis_server_stop(fixture.redis);
    redis_server_set_arguments(fixture.redis, plain);
    redis_server_start(fixture.redis);
    start("127.0.0.1", tls.ca, NULL);
    expect_refusal("redis is unavailable, counts come from postgres");
    redis_server_stop(fixture.redis);
    redis_server_set_arguments(fixture.redis, NULL);
    redis_server_start(fixture.redis);
}

static void a_sentinel_is_asked_over_tls(NO_STATE)
{
    serve_with("good", false);
    start_behind("good");
    expect_use("by_sentinel");
    service_stop(&tls.service);
}

/* Nor is what it tells believed. */
static void a_sentinel_that_is_somebody_else_is_refused(NO_STATE)
{
    serve_with("good", false);
    start_behind("elsewhere");
    expect_refusal("TLS: its certificate is not for the address in REDIS_URL");
}

/* No connection is begun on faith: what cannot be read ends the start. */
static void wrong_files_end_the_start(NO_STATE)
{
    static const char url[] = "REDIS_URL=rediss://user:open-sesame@localhost:1";
    const struct {
        const char *variables[3];
        const char *words;
    } cases[] = {
        {{"REDIS_TLS_CA_FILE=/nonexistent"}, "REDIS_TLS_CA_FILE: "},
        {{entry("REDIS_TLS_CA_FILE", tls.nonsense)}, "REDIS_TLS_CA_FILE: "},
        {{entry("REDIS_TLS_CERT_FILE", path_of("client", "crt"))}, "REDIS_TLS_KEY_FILE: set both"},
        {{entry("REDIS_TLS_KEY_FILE", path_of("client", "key"))}, "REDIS_TLS_CERT_FILE and"},
        {{entry("REDIS_TLS_CERT_FILE", tls.nonsense),
          entry("REDIS_TLS_KEY_FILE", path_of("client", "key"))},
         "REDIS_TLS_CERT_FILE: "},
        {{entry("REDIS_TLS_CERT_FILE", path_of("client", "crt")),
          entry("REDIS_TLS_KEY_FILE", path_of("good", "key"))},
         "REDIS_TLS_KEY_FILE: "},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        process_note("%s", cases[i].words);
        struct service_run run =
            service_run((const char *const[]){"serve", NULL},
                        (const char *const[]){"DATABASE_URL=postgresql:///x?host=/nonexistent", url,
                                              cases[i].variables[0], cases[i].variables[1], NULL});
        assert_int_equal(run.status, 2);
        assert_non_null(strstr(run.err, cases[i].words));
        assert_null(strstr(run.err, "open-sesame"));
        service_run_free(&run);
    }
}

static void files_without_tls_are_noted(NO_STATE)
{
    serve_with("good", false);
    tls.service = service_start(fixture.database_url, redis_server_url(fixture.redis),
                                (const char *const[]){entry("REDIS_TLS_CA_FILE", tls.ca), NULL});
    service_await_log(tls.service, "files of TLS are set, but Redis is asked without it");
    service_stop(&tls.service);
}

int main(void)
{
#define CASE(function) cmocka_unit_test_teardown(function, discard)
    const struct CMUnitTest tests[] = {
        CASE(a_server_that_is_who_it_says_is_used),
        CASE(a_new_authority_is_read_for_the_next_connection),
        CASE(an_unknown_authority_is_refused),
        CASE(without_an_authority_the_systems_count),
        CASE(another_host_is_refused),
        CASE(an_expired_certificate_is_refused),
        CASE(a_server_may_want_a_certificate_of_the_client),
        CASE(a_sentinel_is_asked_over_tls),
        CASE(a_sentinel_that_is_somebody_else_is_refused),
        CASE(a_plain_port_is_not_used),
        CASE(wrong_files_end_the_start),
        CASE(files_without_tls_are_noted),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
