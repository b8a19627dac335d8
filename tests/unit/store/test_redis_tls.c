/* TLS of a client, beside a server in memory: whatever comes, nothing is read but what it sent. */
#include "unit.h"

#include "certificate.h"
#include "rsvpd/store/redis_tls.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 128, FLIGHT_SIZE_BYTES = 65536, ROUNDS_MAX = 10, DAY_S = 86400 };

#define ANSWER "+OK\r\n$5\r\nhello\r\n"

static char directory[] = "/tmp/rsvpd-tls-XXXXXX";
static char ca_path[PATH_SIZE], certificate_path[PATH_SIZE], key_path[PATH_SIZE];

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(ca_path, PATH_SIZE, "%s/ca", directory);
    snprintf(certificate_path, PATH_SIZE, "%s/certificate", directory);
    snprintf(key_path, PATH_SIZE, "%s/key", directory);
    struct certificate_authority *authority = certificate_authority_create();
    certificate_authority_write(authority, ca_path);
    certificate_make(authority, "DNS:redis.test,IP:192.0.2.1,DNS:*.wild.test", DAY_S,
                     certificate_path, key_path);
    certificate_authority_destroy(&authority);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(ca_path);
    unlink(certificate_path);
    unlink(key_path);
    return rmdir(directory);
}

static struct redis_tls *make_client(const char *host)
{
    const char *reason;
    struct redis_tls_context *context =
        redis_tls_context_create(&(struct redis_tls_files){.ca = ca_path}, &reason);
    assert_non_null(context);
    struct redis_tls *client = redis_tls_create(context, host);
    assert_non_null(client);
    redis_tls_context_destroy(&context);
    return client;
}

static SSL *make_server(int version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_true(SSL_CTX_use_certificate_chain_file(context, certificate_path) == 1 &&
                SSL_CTX_use_PrivateKey_file(context, key_path, SSL_FILETYPE_PEM) == 1 &&
                SSL_CTX_set_min_proto_version(context, version) == 1 &&
                SSL_CTX_set_max_proto_version(context, version) == 1);
    SSL_CTX_set_security_level(context, 0);
    SSL *server = SSL_new(context);
    SSL_CTX_free(context);
    SSL_set_bio(server, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_accept_state(server);
    return server;
}

/* ---- a conversation ---- */

struct conversation {
    struct redis_tls *client;
    SSL *server;
    size_t flip; /* which byte of the server's is changed; SIZE_MAX: none */
    size_t sent; /* by the server */
    const char *wrong;
    char read[256]; /* by the client */
    size_t size;
};

static void to_server(struct conversation *talk)
{
    char bytes[FLIGHT_SIZE_BYTES];
    size_t size = redis_tls_unsent(talk->client);
    assert_true(size <= sizeof bytes);
    if (size > 0) {
        redis_tls_take(talk->client, bytes, size);
        assert_int_equal(BIO_write(SSL_get_rbio(talk->server), bytes, (int)size), size);
    }
}

static void to_client(struct conversation *talk)
{
    char bytes[FLIGHT_SIZE_BYTES];
    size_t got = 1;
    int size = BIO_read(SSL_get_wbio(talk->server), bytes, sizeof bytes);
    if (size <= 0 || talk->wrong != NULL) {
        return;
    }
    if (talk->flip - talk->sent < (size_t)size) {
        bytes[talk->flip - talk->sent] ^= 0x10;
    }
    talk->sent += (size_t)size;
    talk->wrong = redis_tls_receive(talk->client, slice_make(bytes, (size_t)size));
    while (talk->wrong == NULL && got > 0) {
        talk->wrong = redis_tls_read(talk->client, talk->read + talk->size,
                                     sizeof talk->read - talk->size, &got);
        talk->size += got;
    }
}

/* Until the server has answered, or nothing moves any more. */
static struct conversation converse(const char *host, int version, size_t flip)
{
    struct conversation talk = {
        .client = make_client(host), .server = make_server(version), .flip = flip};
    bool asked = false, answered = false;
    char question[16];
    talk.wrong = redis_tls_receive(talk.client, slice_make(NULL, 0));
    for (int i = 0; i < ROUNDS_MAX; i++) {
        if (talk.wrong == NULL && redis_tls_is_open(talk.client) && !asked) {
            asked = true;
            talk.wrong = redis_tls_write(talk.client, slice_of("PING\r\n"));
        }
        to_server(&talk);
        if (!answered && SSL_read(talk.server, question, sizeof question) > 0) {
            answered = SSL_write(talk.server, ANSWER, strlen(ANSWER)) > 0;
        }
        ERR_clear_error();
        to_client(&talk);
    }
    redis_tls_destroy(&talk.client);
    SSL_free(talk.server);
    return talk;
}

static void expect_answer(const struct conversation *talk)
{
    assert_null(talk->wrong);
    unit_expect_text("answer", slice_make(talk->read, talk->size), ANSWER);
}

static void test_versions_from_1_2_on(NO_STATE)
{
    static const int good[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    static const int bad[] = {TLS1_VERSION, TLS1_1_VERSION};
    for (size_t i = 0; i < LENGTH(good); i++) {
        struct conversation talk = converse("redis.test", good[i], SIZE_MAX);
        expect_answer(&talk);
    }
    for (size_t i = 0; i < LENGTH(bad); i++) {
        struct conversation talk = converse("redis.test", bad[i], SIZE_MAX);
        assert_non_null(talk.wrong);
        assert_int_equal(talk.size, 0);
    }
}

static void test_whom_the_certificate_is_for(NO_STATE)
{
    static const struct {
        const char *host;
        bool good;
    } cases[] = {
        {"redis.test", true},   {"REDIS.test", true}, {"192.0.2.1", true},
        {"a.wild.test", true},  {"wild.test", false}, {"a.b.wild.test", false},
        {"192.0.2.2", false},   {"::1", false},       {"redis.test.example", false},
        {"xredis.test", false}, {"test", false},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct conversation talk = converse(cases[i].host, TLS1_3_VERSION, SIZE_MAX);
        if (cases[i].good) {
            expect_answer(&talk);
        } else {
            assert_non_null(talk.wrong);
            assert_non_null(strstr(talk.wrong, "its certificate is not for the "));
            assert_int_equal(talk.size, 0);
        }
    }
}

/* Every byte of the server's, changed: what is read is what it sent, or nothing. */
static void test_changed_bytes_are_noticed(NO_STATE)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < LENGTH(versions); i++) {
        size_t size = converse("redis.test", versions[i], SIZE_MAX).sent, noticed = 0;
        for (size_t flip = 0; flip < size; flip += 7) {
            struct conversation talk = converse("redis.test", versions[i], flip);
            assert_true(talk.size <= strlen(ANSWER));
            assert_memory_equal(talk.read, ANSWER, talk.size);
            noticed += talk.size < strlen(ANSWER);
        }
        assert_true(noticed > size / 7 / 2);
    }
}

/* What is no TLS at all. */
static void test_other_bytes_are_refused(NO_STATE)
{
    static const char *const bytes[] = {
        "-ERR unknown command\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x16\x03\x03\xff\xff junk",
        "\x15\x03\x03\x00", "+PONG\r\n"};
    char plain[16];
    size_t size;
    for (size_t i = 0; i < LENGTH(bytes); i++) {
        struct redis_tls *client = make_client("redis.test");
        assert_null(redis_tls_receive(client, slice_make(NULL, 0)));
        assert_true(redis_tls_unsent(client) > 0);
        (void)!redis_tls_receive(client, slice_of(bytes[i]));
        assert_false(redis_tls_is_open(client));
        assert_null(redis_tls_read(client, plain, sizeof plain, &size));
        assert_int_equal(size, 0);
        redis_tls_destroy(&client);
    }
    struct redis_tls *client = make_client("redis.test");
    assert_null(redis_tls_receive(client, slice_make(NULL, 0)));
    unit_expect_text("plain", slice_of(redis_tls_receive(client, slice_of(bytes[0]))),
                     "TLS: it does not speak it on this port");
    redis_tls_destroy(&client);
}

static void test_files_have_to_be_right(NO_STATE)
{
    const struct {
        struct redis_tls_files files;
        const char *reason; /* begins with this; NULL: they are right */
    } cases[] = {
        {{NULL, NULL, NULL}, NULL},
        {{"", "", ""}, NULL},
        {{ca_path, certificate_path, key_path}, NULL},
        {{"/nonexistent", NULL, NULL}, "REDIS_TLS_CA_FILE: "},
        {{key_path, NULL, NULL}, "REDIS_TLS_CA_FILE: "},
        {{ca_path, certificate_path, NULL}, "REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE: "},
        {{ca_path, NULL, key_path}, "REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE: "},
        {{ca_path, key_path, key_path}, "REDIS_TLS_CERT_FILE: "},
        {{ca_path, certificate_path, certificate_path}, "REDIS_TLS_KEY_FILE: "},
        {{ca_path, ca_path, key_path}, "REDIS_TLS_KEY_FILE: "}, /* of another certificate */
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *reason = "";
        struct redis_tls_context *context = redis_tls_context_create(&cases[i].files, &reason);
        if ((context == NULL) != (cases[i].reason != NULL) ||
            (context == NULL && strstr(reason, cases[i].reason) != reason)) {
            fail_msg("case %zu: %s", i, reason);
        }
        redis_tls_context_destroy(&context);
        assert_int_equal(ERR_peek_error(), 0); /* nothing is left for others to read */
    }
}

/* A file that is being made wrong while the service runs must not keep the thread that reads it. */
static void test_what_is_no_file_keeps_nobody(NO_STATE)
{
    char pipe_path[PATH_SIZE + 8];
    snprintf(pipe_path, sizeof pipe_path, "%s.pipe", ca_path);
    assert_int_equal(mkfifo(pipe_path, 0600), 0);
    int held = open(pipe_path, O_RDWR | O_CLOEXEC); /* so that its end never comes */
    assert_true(held >= 0);
    const struct redis_tls_files cases[] = {
        {pipe_path, NULL, NULL},
        {ca_path, pipe_path, key_path},
        {ca_path, certificate_path, pipe_path},
        {"/", NULL, NULL},
    };
    alarm(60);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *reason;
        assert_null(redis_tls_context_create(&cases[i], &reason));
        assert_non_null(strstr(reason, "cannot be read"));
    }
    alarm(0);
    close(held);
    unlink(pipe_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_from_1_2_on),
        cmocka_unit_test(test_whom_the_certificate_is_for),
        cmocka_unit_test(test_changed_bytes_are_noticed),
        cmocka_unit_test(test_other_bytes_are_refused),
        cmocka_unit_test(test_files_have_to_be_right),
        cmocka_unit_test(test_what_is_no_file_keeps_nobody),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
