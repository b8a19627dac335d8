/* TLS for a connection to Redis.
 *
 * DESIGN: OpenSSL works on memory of its own instead of a socket. So hiredis need not know of TLS,
 * whose support is missing in older versions of it, and nothing of a handshake can block a loop.
 * Sessions are not kept: a connection is made seldom. */
#include "rsvpd/store/redis_tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILE_SIZE_MAX_BYTES = 4 * 1024 * 1024 };

struct redis_tls_context {
    SSL_CTX *ssl;
};

struct redis_tls {
    SSL *ssl;
    BIO *received, *unsent; /* records; of `ssl` */
    bool open;
};

/* ---- words for what failed ---- */

static const char no_memory[] = "TLS: not enough memory";

/* Why a certificate was refused. */
#define NOT_TRUSTED                                                                                \
    "TLS: its certificate is of an authority that is not trusted: see REDIS_TLS_CA_FILE"
static const struct {
    long result;
    const char *words;
} refusals[] = {
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, NOT_TRUSTED},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, NOT_TRUSTED},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, NOT_TRUSTED},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, NOT_TRUSTED}, /* another one of the same name */
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, NOT_TRUSTED},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, NOT_TRUSTED},
    {X509_V_ERR_CERT_HAS_EXPIRED, "TLS: its certificate has expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "TLS: its certificate is not valid yet: compare the clocks"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "TLS: its certificate is not for the host of REDIS_URL"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "TLS: its certificate is not for the address in REDIS_URL"},
};

static const char *refusal_words(long result)
{
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (result == refusals[i].result) {
            return refusals[i].words;
        }
    }
    return "TLS: its certificate is refused";
}

/* What went wrong otherwise: our own errors, and the server's alerts. */
static const char *failure_words(unsigned long error)
{
    switch (ERR_GET_REASON(error)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        return "TLS: it does not speak it on this port";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "TLS: it knows no version from 1.2 on";
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
        return "TLS: it wants a certificate of the client: see REDIS_TLS_CERT_FILE";
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        return "TLS: it refuses the certificate of REDIS_TLS_CERT_FILE";
    default:
        return "TLS: the connection failed";
    }
}

/* NULL where the call that answered `result` only wants more records. Empties the thread's queue of
 * errors, which later calls would otherwise read. */
static const char *judge(struct redis_tls *tls, int result)
{
    int error = SSL_get_error(tls->ssl, result);
    const char *words = NULL;
    if (error == SSL_ERROR_ZERO_RETURN) {
        words = "it closed the connection";
    } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_NONE) {
        long verified = SSL_get_verify_result(tls->ssl);
        words = verified != X509_V_OK ? refusal_words(verified) : failure_words(ERR_peek_error());
    }
    ERR_clear_error();
    return words;
}

/* ---- the context ---- */

static bool is_set(const char *path)
{
    return path != NULL && *path != '\0';
}

/* What is no regular file may keep the thread for ever: a pipe that nobody writes to, a device
 * without an end. */
static bool is_plain_file(const char *path)
{
    struct stat about;
    return stat(path, &about) == 0 && S_ISREG(about.st_mode) &&
           about.st_size <= FILE_SIZE_MAX_BYTES;
}

static const char *trust(SSL_CTX *ssl, const struct redis_tls_files *files)
{
    if (!is_set(files->ca)) {
        return SSL_CTX_set_default_verify_paths(ssl) == 1 ? NULL : no_memory;
    }
    return is_plain_file(files->ca) && SSL_CTX_load_verify_file(ssl, files->ca) == 1
               ? NULL
               : "REDIS_TLS_CA_FILE: the file that it names holds no certificates (PEM), or cannot "
                 "be read";
}

static const char *use_certificate(SSL_CTX *ssl, const struct redis_tls_files *files)
{
    if (is_set(files->certificate) != is_set(files->key)) {
        return "REDIS_TLS_CERT_FILE and REDIS_TLS_KEY_FILE: set both, or none";
    }
    if (!is_set(files->certificate)) {
        return NULL;
    }
    if (!is_plain_file(files->certificate) ||
        SSL_CTX_use_certificate_chain_file(ssl, files->certificate) != 1) {
        return "REDIS_TLS_CERT_FILE: the file that it names holds no certificate (PEM), or cannot "
               "be read";
    }
    return is_plain_file(files->key) &&
                   SSL_CTX_use_PrivateKey_file(ssl, files->key, SSL_FILETYPE_PEM) == 1
               ? NULL
               : "REDIS_TLS_KEY_FILE: the file that it names holds no key (PEM, without a "
                 "passphrase) of the certificate, or cannot be read";
}

/* A key with a passphrase must not make a daemon ask for it. */
static int no_passphrase(char *buffer, int size, int writing, void *data)
{
    (void)writing;
    (void)data;
    memset(buffer, 0, (size_t)size);
    return 0;
}

struct redis_tls_context *redis_tls_context_create(const struct redis_tls_files *files,
                                                   const char **reason)
{
    struct redis_tls_context *context = calloc(1, sizeof *context);
    *reason = no_memory;
    if (context == NULL) {
        return NULL;
    }
    context->ssl = SSL_CTX_new(TLS_client_method());
    if (context->ssl != NULL && SSL_CTX_set_min_proto_version(context->ssl, TLS1_2_VERSION) == 1) {
        SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION);
        SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_default_passwd_cb(context->ssl, no_passphrase);
        *reason = trust(context->ssl, files);
        *reason = *reason != NULL ? *reason : use_certificate(context->ssl, files);
    }
    ERR_clear_error();
    if (*reason != NULL) {
        redis_tls_context_destroy(&context);
    }
    return context;
}

void redis_tls_context_destroy(struct redis_tls_context **context)
{
    if (*context != NULL) {
        SSL_CTX_free((*context)->ssl);
        free(*context);
        *context = NULL;
    }
}

/* ---- a connection ---- */

/* Which host the certificate must be for. A name is told to the server, too (SNI). */
static bool expect_host(SSL *ssl, const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1) {
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    }
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

struct redis_tls *redis_tls_create(struct redis_tls_context *context, const char *host)
{
    struct redis_tls *tls = calloc(1, sizeof *tls);
    if (tls == NULL) {
        return NULL;
    }
    tls->ssl = SSL_new(context->ssl);
    tls->received = BIO_new(BIO_s_mem());
    tls->unsent = BIO_new(BIO_s_mem());
    if (tls->ssl == NULL || tls->received == NULL || tls->unsent == NULL ||
        !expect_host(tls->ssl, host)) {
        BIO_free(tls->received);
        BIO_free(tls->unsent);
        SSL_free(tls->ssl);
        free(tls);
        ERR_clear_error();
        return NULL;
    }
    SSL_set_bio(tls->ssl, tls->received, tls->unsent); /* which owns them now */
    SSL_set_connect_state(tls->ssl);
    return tls;
}

void redis_tls_destroy(struct redis_tls **tls)
{
    if (*tls != NULL) {
        SSL_free((*tls)->ssl);
        free(*tls);
        *tls = NULL;
    }
}

const char *redis_tls_receive(struct redis_tls *tls, struct slice records)
{
    assert(records.size <= INT_MAX);
    if (records.size > 0 &&
        BIO_write(tls->received, records.data, (int)records.size) != (int)records.size) {
        ERR_clear_error();
        return no_memory;
    }
    if (tls->open) {
        return NULL;
    }
    int result = SSL_do_handshake(tls->ssl);
    tls->open = result == 1;
    return tls->open ? NULL : judge(tls, result);
}

const char *redis_tls_read(struct redis_tls *tls, char *bytes, size_t capacity, size_t *size)
{
    *size = 0;
    if (!tls->open) {
        return NULL;
    }
    int result = SSL_read_ex(tls->ssl, bytes, capacity, size);
    return result == 1 ? NULL : judge(tls, result);
}

const char *redis_tls_write(struct redis_tls *tls, struct slice bytes)
{
    size_t written = 0;
    assert(tls->open && bytes.size > 0);
    int result = SSL_write_ex(tls->ssl, bytes.data, bytes.size, &written);
    const char *words = result == 1 ? NULL : judge(tls, result);
    /* Memory takes all at once: wanting more records first is a failure here. */
    return result == 1 || words != NULL ? words : failure_words(0);
}

bool redis_tls_is_open(const struct redis_tls *tls)
{
    return tls->open;
}

size_t redis_tls_unsent(const struct redis_tls *tls)
{
    return BIO_ctrl_pending(tls->unsent);
}

void redis_tls_take(struct redis_tls *tls, char *bytes, size_t size)
{
    assert(size > 0 && size <= INT_MAX);
    int taken = BIO_read(tls->unsent, bytes, (int)size);
    assert(taken == (int)size);
    (void)taken;
}
