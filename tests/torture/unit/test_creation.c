/* What is made at the start, while one call at a time fails: it is made whole, or not at all and
 * with nothing left of it. */
#include "fail.h"

#include "unit.h"

#include "certificate.h"
#include "fake_primary.h"
#include "fake_redis_counts.h"
#include "rsvpd/app/service_manager.h"
#include "rsvpd/base/config.h"
#include "rsvpd/base/digest.h"
#include "rsvpd/base/jwk.h"
#include "rsvpd/base/jws.h"
#include "rsvpd/base/mac.h"
#include "rsvpd/base/metrics.h"
#include "rsvpd/domain/count_memory.h"
#include "rsvpd/service/service.h"
#include "rsvpd/store/otlp_post.h"
#include "rsvpd/store/redis_tls.h"
#include "token.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Makes it and takes it apart; false where it was not made. */
typedef bool make_fn(void);

static bool make_service(void)
{
    static struct fake_primary primary;
    static struct fake_redis_counts shared;
    struct metrics *metrics = metrics_create();
    fake_primary_init(&primary, 1, 1);
    fake_redis_counts_init(&shared);
    struct count_memory *counts = count_memory_create(1024, 42);
    struct service *service = metrics == NULL || counts == NULL
                                  ? NULL
                                  : service_create(&(struct service_setup){
                                        .primary = &primary.port,
                                        .redis = &shared.port,
                                        .counts = counts,
                                        .metrics = metrics,
                                        .counts_max = 1024,
                                        .pending_max = 64,
                                        .write_connections = 1,
                                        .read_connections = 1,
                                        .deadline_us = 2000 * 1000,
                                        .count_local_lifetime_us = 1000 * 1000,
                                        .count_redis_lifetime_us = 2500 * 1000,
                                        .hash_secret = 42,
                                    });
    bool made = service != NULL;
    service_destroy(&service);
    count_memory_destroy(&counts);
    fake_primary_free(&primary);
    free(metrics);
    return made;
}

static const char *environment(const char *name)
{
    return strcmp(name, "DATABASE_URL") == 0 ? "postgresql:///x" : NULL;
}

static bool make_config(void)
{
    struct config config;
    struct config_error error = {.line = ""};
    bool made = config_load(&config, environment, false, &error);
    assert_true(made || error.line[0] != '\0');
    config_free(&config);
    return made;
}

/* ---- what needs OpenSSL, libcurl and the system ---- */

static char directory[] = "/tmp/rsvpd-creation-XXXXXX";
static char ca_path[64], certificate_path[64], key_path[64];

static bool make_tls(void)
{
    static const char *const hosts[] = {"redis.test", "192.0.2.1"};
    static const struct redis_tls_files files[] = {
        {ca_path, certificate_path, key_path}, {NULL, NULL, NULL} /* the system's authorities */};
    bool made = true;
    for (size_t i = 0; made && i < 2; i++) {
        const char *reason = NULL;
        struct redis_tls_context *context = redis_tls_context_create(&files[i], &reason);
        struct redis_tls *tls = context == NULL ? NULL : redis_tls_create(context, hosts[i]);
        assert_true(context != NULL || reason != NULL);
        made = tls != NULL && redis_tls_receive(tls, slice_make(NULL, 0)) == NULL &&
               redis_tls_receive(tls, slice_of("\x16")) == NULL && redis_tls_unsent(tls) > 0;
        redis_tls_destroy(&tls);
        redis_tls_context_destroy(&context);
    }
    return made;
}

static const struct {
    enum token_key_type type;
    enum jwt_algorithm algorithm;
    const char *name;
} signers[] = {{TOKEN_RSA, JWT_RS256, "RS256"},
               {TOKEN_RSA, JWT_PS256, "PS256"},
               {TOKEN_EC, JWT_ES256, "ES256"},
               {TOKEN_ED25519, JWT_EDDSA, "EdDSA"}};
enum { SIGNERS = sizeof signers / sizeof signers[0] };
static const char message[] = "what is signed", secret[] = "a secret of more than 32 bytes, here";
static char *key_sets[SIGNERS];
static unsigned char *signatures[SIGNERS + 1];
static size_t signature_sizes[SIGNERS + 1];

static bool is_signed(const struct jwk_set *set, enum jwt_algorithm algorithm, size_t signature)
{
    const struct jwk *key;
    return set != NULL && jwk_set_find(set, algorithm, NULL, &key) == JWK_FOUND &&
           jws_verify(key, algorithm, slice_of(message), signatures[signature],
                      signature_sizes[signature]);
}

static bool make_keys(void)
{
    char error[JWK_ERROR_SIZE_BYTES];
    struct jwk_set *set = jwk_set_of_secret(slice_of(secret), error);
    bool made = is_signed(set, JWT_HS256, SIGNERS);
    jwk_set_destroy(&set);
    for (size_t i = 0; made && i < SIGNERS; i++) {
        set = jwk_set_parse(slice_of(key_sets[i]), error);
        made = is_signed(set, signers[i].algorithm, i);
        jwk_set_destroy(&set);
    }
    return made;
}

static bool make_macs(void)
{
    static const unsigned char key[MAC_KEY_SIZE_BYTES], blocks[2 * MAC_SIZE_BYTES];
    unsigned char mac[MAC_SIZE_BYTES], macs[sizeof blocks], digest[DIGEST_SIZE_BYTES];
    return mac_compute(key, slice_of(message), mac) && mac_compute_blocks(key, blocks, 2, macs) &&
           digest_compute(slice_of(message), digest);
}

static bool make_post(void)
{
    static const _Atomic int64_t never;
    struct otlp_post *post =
        otlp_post_create(&(struct otlp_post_setup){.endpoint = "http://127.0.0.1:9/",
                                                   .traces_endpoint = "",
                                                   .headers = "a=b,c=d",
                                                   .give_up_us = &never});
    bool made = post != NULL;
    otlp_post_destroy(&post);
    return made;
}

static const char *of_manager(const char *name)
{
    return strcmp(name, "NOTIFY_SOCKET") == 0 ? "@rsvpd-that-is-nowhere" : NULL;
}

/* What is not sent now stays for later. */
static bool make_manager(void)
{
    struct service_manager manager;
    service_manager_init(&manager, of_manager);
    bool made = service_manager_wants_news(&manager, 0);
    service_manager_tick(&manager, true, true, "ready", 0);
    made = made && manager.unsent[0] == '\0';
    service_manager_end(&manager);
    return made;
}

/* Before anything else looks the algorithm up: that it fails once must not be for ever. */
static void test_a_digest_fails_once(NO_STATE)
{
    unsigned char digest[DIGEST_SIZE_BYTES];
    fail_arm(fail_control, FAIL_EVP_MD_fetch, 1);
    assert_false(digest_compute(slice_of(message), digest));
    assert_true(digest_compute(slice_of(message), digest));
}

static int set_up(NO_STATE)
{
    assert_non_null(mkdtemp(directory));
    snprintf(ca_path, sizeof ca_path, "%s/ca", directory);
    snprintf(certificate_path, sizeof certificate_path, "%s/certificate", directory);
    snprintf(key_path, sizeof key_path, "%s/key", directory);
    struct certificate_authority *authority = certificate_authority_create();
    certificate_authority_write(authority, ca_path);
    certificate_make(authority, "DNS:redis.test", 86400, certificate_path, key_path);
    certificate_authority_destroy(&authority);
    for (size_t i = 0; i <= SIGNERS; i++) {
        struct token_key *key = i < SIGNERS ? token_key_create(signers[i].type, NULL)
                                            : token_key_of_secret(secret, sizeof secret - 1);
        signatures[i] = token_signature(key, i < SIGNERS ? signers[i].name : "HS256", message,
                                        &signature_sizes[i]);
        if (i < SIGNERS) {
            key_sets[i] = token_key_set((const struct token_key *const *)&key, 1);
        }
        token_key_destroy(&key);
    }
    return 0;
}

static int tear_down(NO_STATE)
{
    unlink(ca_path);
    unlink(certificate_path);
    unlink(key_path);
    for (size_t i = 0; i <= SIGNERS; i++) {
        free(signatures[i]);
        free(i < SIGNERS ? key_sets[i] : NULL);
    }
    return rmdir(directory);
}

static void test_each_call_fails(void **state)
{
    make_fn *make = *(make_fn **)*state;
    fail_arm(fail_control, FAIL_calloc, 0);
    assert_true(make());
    int calls[FAIL_KIND_COUNT], tried = 0;
    for (int kind = 0; kind < FAIL_KIND_COUNT; kind++) {
        calls[kind] = atomic_load(&fail_control->calls[kind]);
    }
    for (int kind = 0; kind < FAIL_KIND_COUNT; kind++) {
        for (int at = 1; at <= calls[kind]; at++, tried++) {
            fail_arm(fail_control, (enum fail_kind)kind, at);
            assert_false(make());
            assert_true(atomic_load(&fail_control->failed));
        }
    }
    assert_true(tried > 0);
}

int main(void)
{
    static make_fn *const makes[] = {make_service, make_config, make_tls,    make_keys,
                                     make_macs,    make_post,   make_manager};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_digest_fails_once),
        {"service", test_each_call_fails, NULL, NULL, (void *)(uintptr_t)&makes[0]},
        {"config", test_each_call_fails, NULL, NULL, (void *)(uintptr_t)&makes[1]},
        {"TLS", test_each_call_fails, NULL, NULL, (void *)(uintptr_t)&makes[2]},
        {"keys", test_each_call_fails, NULL, NULL, (void *)(uintptr_t)&makes[3]},
        {"codes", test_each_call_fails, NULL, NULL, (void *)(uintptr_t)&makes[4]},
        {"traces", test_each_call_fails, NULL, NULL, (void *)(uintptr_t)&makes[5]},
        {"service manager", test_each_call_fails, NULL, NULL, (void *)(uintptr_t)&makes[6]},
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
