/* Calls that fail on demand, put in front of the real ones by the linker (--wrap). */
#include "fail.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <microhttpd.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

__attribute__((constructor)) static void take_plan(void)
{
    const char *path = getenv("RSVPD_FAIL_CONTROL");
    struct fail_control *shared = path == NULL ? fail_control : fail_share(path);
    if (shared == NULL) {
        perror(path);
        _exit(EXIT_FAILURE);
    }
    fail_control = shared;
}

/* WRAP(TYPE, NAME, FAILURE, (PARAMETERS), (ARGUMENTS)): when it is to fail the call has no effect
 * and gives FAILURE. */
#define WRAP(type, name, failure, parameters, arguments)                                           \
    type __real_##name parameters;                                                                 \
    type __wrap_##name parameters;                                                                 \
    type __wrap_##name parameters                                                                  \
    {                                                                                              \
        return fail_now(FAIL_##name) ? (failure) : __real_##name arguments;                        \
    }

/* ---- memory ---- */

static void *no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

WRAP(void *, malloc, no_memory(), (size_t size), (size))
WRAP(void *, calloc, no_memory(), (size_t count, size_t size), (count, size))
WRAP(char *, strdup, no_memory(), (const char *text), (text))
int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));
int __wrap_asprintf(char **text, const char *format, ...)
{
    int size = -1; /* and *text is anything */
    va_list arguments;
    va_start(arguments, format);
    if (fail_now(FAIL_asprintf)) {
        *text = (char *)(uintptr_t)1;
    } else {
        size = vasprintf(text, format, arguments);
    }
    va_end(arguments);
    return size;
}

/* ---- OpenSSL ---- */

WRAP(unsigned char *, HMAC, NULL,
     (const EVP_MD *type, const void *key, int key_size, const unsigned char *data, size_t size,
      unsigned char *mac, unsigned *mac_size),
     (type, key, key_size, data, size, mac, mac_size))

WRAP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, NULL, (void), ())
WRAP(int, EVP_EncryptInit_ex, 0,
     (EVP_CIPHER_CTX * context, const EVP_CIPHER *cipher, ENGINE *engine, const unsigned char *key,
      const unsigned char *iv),
     (context, cipher, engine, key, iv))
WRAP(int, EVP_EncryptUpdate, 0,
     (EVP_CIPHER_CTX * context, unsigned char *out, int *out_size, const unsigned char *in,
      int in_size),
     (context, out, out_size, in, in_size))
WRAP(EVP_MD *, EVP_MD_fetch, NULL,
     (OSSL_LIB_CTX * library, const char *name, const char *properties),
     (library, name, properties))
WRAP(int, EVP_Digest, 0,
     (const void *data, size_t size, unsigned char *digest, unsigned *digest_size,
      const EVP_MD *type, ENGINE *engine),
     (data, size, digest, digest_size, type, engine))
WRAP(EVP_MAC *, EVP_MAC_fetch, NULL,
     (OSSL_LIB_CTX * library, const char *name, const char *properties),
     (library, name, properties))
WRAP(EVP_MAC_CTX *, EVP_MAC_CTX_new, NULL, (EVP_MAC * mac), (mac))
WRAP(int, EVP_MAC_init, 0,
     (EVP_MAC_CTX * context, const unsigned char *key, size_t size, const OSSL_PARAM parameters[]),
     (context, key, size, parameters))
WRAP(EVP_MAC_CTX *, EVP_MAC_CTX_dup, NULL, (const EVP_MAC_CTX *context), (context))
WRAP(int, EVP_MAC_update, 0, (EVP_MAC_CTX * context, const unsigned char *data, size_t size),
     (context, data, size))
WRAP(int, EVP_MAC_final, 0,
     (EVP_MAC_CTX * context, unsigned char *out, size_t *size, size_t capacity),
     (context, out, size, capacity))
WRAP(EVP_MD_CTX *, EVP_MD_CTX_new, NULL, (void), ())
WRAP(int, EVP_DigestVerifyInit, 0,
     (EVP_MD_CTX * context, EVP_PKEY_CTX **options, const EVP_MD *type, ENGINE *engine,
      EVP_PKEY *key),
     (context, options, type, engine, key))
WRAP(int, EVP_DigestVerify, -1,
     (EVP_MD_CTX * context, const unsigned char *signature, size_t signature_size,
      const unsigned char *data, size_t size),
     (context, signature, signature_size, data, size))
WRAP(EVP_PKEY_CTX *, EVP_PKEY_CTX_new_from_name, NULL,
     (OSSL_LIB_CTX * library, const char *name, const char *properties),
     (library, name, properties))
WRAP(int, EVP_PKEY_fromdata_init, 0, (EVP_PKEY_CTX * context), (context))
WRAP(int, EVP_PKEY_fromdata, 0,
     (EVP_PKEY_CTX * context, EVP_PKEY **key, int selection, OSSL_PARAM parameters[]),
     (context, key, selection, parameters))
WRAP(EVP_PKEY *, EVP_PKEY_new_raw_public_key, NULL,
     (int type, ENGINE *engine, const unsigned char *key, size_t size), (type, engine, key, size))
WRAP(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_new, NULL, (void), ())
WRAP(int, OSSL_PARAM_BLD_push_BN, 0,
     (OSSL_PARAM_BLD * builder, const char *name, const BIGNUM *number), (builder, name, number))
WRAP(OSSL_PARAM *, OSSL_PARAM_BLD_to_param, NULL, (OSSL_PARAM_BLD * builder), (builder))
WRAP(BIGNUM *, BN_bin2bn, NULL, (const unsigned char *bytes, int size, BIGNUM *number),
     (bytes, size, number))
WRAP(ECDSA_SIG *, ECDSA_SIG_new, NULL, (void), ())
WRAP(int, ECDSA_SIG_set0, 0, (ECDSA_SIG * pair, BIGNUM *r, BIGNUM *s), (pair, r, s))
WRAP(SSL_CTX *, SSL_CTX_new, NULL, (const SSL_METHOD *method), (method))
WRAP(int, SSL_CTX_set_default_verify_paths, 0, (SSL_CTX * context), (context))
WRAP(int, SSL_CTX_load_verify_file, 0, (SSL_CTX * context, const char *path), (context, path))
WRAP(int, SSL_CTX_use_certificate_chain_file, 0, (SSL_CTX * context, const char *path),
     (context, path))
WRAP(int, SSL_CTX_use_PrivateKey_file, 0, (SSL_CTX * context, const char *path, int type),
     (context, path, type))
WRAP(SSL *, SSL_new, NULL, (SSL_CTX * context), (context))
WRAP(int, SSL_set1_host, 0, (SSL * ssl, const char *host), (ssl, host))
WRAP(int, X509_VERIFY_PARAM_set1_ip_asc, 0, (X509_VERIFY_PARAM * parameters, const char *address),
     (parameters, address))
WRAP(BIO *, BIO_new, NULL, (const BIO_METHOD *method), (method))
WRAP(int, BIO_write, -1, (BIO * bio, const void *bytes, int size), (bio, bytes, size))
WRAP(int, SSL_do_handshake, -1, (SSL * ssl), (ssl))
WRAP(int, SSL_read_ex, 0, (SSL * ssl, void *bytes, size_t capacity, size_t *size),
     (ssl, bytes, capacity, size))
WRAP(int, SSL_write_ex, 0, (SSL * ssl, const void *bytes, size_t size, size_t *written),
     (ssl, bytes, size, written))

/* ---- libcurl, whose header has macros of these names ---- */

enum { CURL_OUT_OF_MEMORY = 27 };

WRAP(void *, curl_easy_init, NULL, (void), ())
WRAP(void *, curl_slist_append, NULL, (void *list, const char *text), (list, text))

WRAP(int, curl_easy_perform, CURL_OUT_OF_MEMORY, (void *transfer), (transfer))

/* All of our options are as large as a pointer. */
int __real_curl_easy_setopt(void *transfer, int option, ...);
int __wrap_curl_easy_setopt(void *transfer, int option, ...);
int __wrap_curl_easy_setopt(void *transfer, int option, ...)
{
    va_list options;
    va_start(options, option);
    void *value = va_arg(options, void *);
    va_end(options);
    return fail_now(FAIL_curl_easy_setopt) ? CURL_OUT_OF_MEMORY
                                           : __real_curl_easy_setopt(transfer, option, value);
}

/* ---- the system ---- */

static int no_descriptor(void)
{
    errno = EMFILE;
    return -1;
}

static ssize_t no_room(void)
{
    errno = EAGAIN;
    return -1;
}

WRAP(int, socket, no_descriptor(), (int domain, int type, int protocol), (domain, type, protocol))
WRAP(ssize_t, write, no_room(), (int fd, const void *bytes, size_t size), (fd, bytes, size))
WRAP(ssize_t, sendto, no_room(),
     (int fd, const void *bytes, size_t size, int flags, const struct sockaddr *address,
      socklen_t address_size),
     (fd, bytes, size, flags, address, address_size))

/* ---- libpq ---- */

WRAP(PGconn *, PQconnectStartParams, NULL,
     (const char *const *names, const char *const *values, int expand), (names, values, expand))
WRAP(PostgresPollingStatusType, PQconnectPoll, PGRES_POLLING_FAILED, (PGconn * connection),
     (connection))
WRAP(PQconninfoOption *, PQconninfoParse, NULL, (const char *text, char **message), (text, message))
WRAP(PGresult *, PQexec, NULL, (PGconn * connection, const char *sql), (connection, sql))
WRAP(PGresult *, PQexecParams, NULL,
     (PGconn * connection, const char *sql, int count, const Oid *types, const char *const *values,
      const int *sizes, const int *formats, int result_format),
     (connection, sql, count, types, values, sizes, formats, result_format))
WRAP(int, PQsetnonblocking, -1, (PGconn * connection, int on), (connection, on))
WRAP(int, PQenterPipelineMode, 0, (PGconn * connection), (connection))
WRAP(int, PQsendQueryParams, 0,
     (PGconn * connection, const char *sql, int count, const Oid *types, const char *const *values,
      const int *sizes, const int *formats, int result_format),
     (connection, sql, count, types, values, sizes, formats, result_format))
WRAP(int, PQsendQueryPrepared, 0,
     (PGconn * connection, const char *name, int count, const char *const *values, const int *sizes,
      const int *formats, int result_format),
     (connection, name, count, values, sizes, formats, result_format))
WRAP(int, PQsendPrepare, 0,
     (PGconn * connection, const char *name, const char *sql, int count, const Oid *types),
     (connection, name, sql, count, types))
WRAP(int, PQpipelineSync, 0, (PGconn * connection), (connection))
WRAP(int, PQflush, -1, (PGconn * connection), (connection))
WRAP(int, PQconsumeInput, 0, (PGconn * connection), (connection))
WRAP(int, PQputCopyData, -1, (PGconn * connection, const char *data, int size),
     (connection, data, size))
WRAP(int, PQputCopyEnd, -1, (PGconn * connection, const char *message), (connection, message))
WRAP(int, PQgetCopyData, -2, (PGconn * connection, char **data, int async),
     (connection, data, async))

/* Without memory for an answer libpq gives an error of its own in place of it, which has no
 * SQLSTATE, and goes on with the next. The end of answers, NULL, needs no memory. */
PGresult *__real_PQgetResult(PGconn *connection);
PGresult *__wrap_PQgetResult(PGconn *connection);
PGresult *__wrap_PQgetResult(PGconn *connection)
{
    PGresult *result = __real_PQgetResult(connection);
    if (result != NULL && fail_now(FAIL_PQgetResult)) {
        PQclear(result);
        result = PQmakeEmptyPGresult(connection, PGRES_FATAL_ERROR);
    }
    return result;
}

/* ---- hiredis ---- */

WRAP(redisReader *, redisReaderCreateWithFunctions, NULL, (redisReplyObjectFunctions * functions),
     (functions))
WRAP(int, redisReaderFeed, REDIS_ERR, (redisReader * reader, const char *bytes, size_t size),
     (reader, bytes, size))
WRAP(int, redisReaderGetReply, REDIS_ERR, (redisReader * reader, void **reply), (reader, reply))

/* int or long long, by the version. */
typedef __typeof__(redisFormatCommandArgv(NULL, 0, NULL, NULL)) command_size;
WRAP(command_size, redisFormatCommandArgv, -1,
     (char **command, int count, const char **words, const size_t *sizes),
     (command, count, words, sizes))

/* ---- libmicrohttpd ---- */

struct MHD_Daemon *__wrap_MHD_start_daemon(unsigned flags, uint16_t port,
                                           MHD_AcceptPolicyCallback accept, void *accept_data,
                                           MHD_AccessHandlerCallback access, void *access_data,
                                           ...);
struct MHD_Daemon *__wrap_MHD_start_daemon(unsigned flags, uint16_t port,
                                           MHD_AcceptPolicyCallback accept, void *accept_data,
                                           MHD_AccessHandlerCallback access, void *access_data, ...)
{
    struct MHD_Daemon *daemon = NULL;
    va_list options;
    va_start(options, access_data);
    if (!fail_now(FAIL_MHD_start_daemon)) {
        daemon =
            MHD_start_daemon_va(flags, port, accept, accept_data, access, access_data, options);
    }
    va_end(options);
    return daemon;
}

WRAP(const union MHD_DaemonInfo *, MHD_get_daemon_info, NULL,
     (struct MHD_Daemon * daemon, enum MHD_DaemonInfoType what, ...), (daemon, what))
WRAP(const union MHD_ConnectionInfo *, MHD_get_connection_info, NULL,
     (struct MHD_Connection * connection, enum MHD_ConnectionInfoType what, ...),
     (connection, what))
WRAP(struct MHD_Response *, MHD_create_response_from_buffer, NULL,
     (size_t size, void *bytes, enum MHD_ResponseMemoryMode mode), (size, bytes, mode))
WRAP(enum MHD_Result, MHD_add_response_header, MHD_NO,
     (struct MHD_Response * response, const char *name, const char *value), (response, name, value))
WRAP(enum MHD_Result, MHD_queue_response, MHD_NO,
     (struct MHD_Connection * connection, unsigned status, struct MHD_Response *response),
     (connection, status, response))
WRAP(enum MHD_Result, MHD_run, MHD_NO, (struct MHD_Daemon * daemon), (daemon))

/* It closes the socket in any case. */
static enum MHD_Result refuse_connection(int fd)
{
    close(fd);
    return MHD_NO;
}

WRAP(enum MHD_Result, MHD_add_connection, refuse_connection(fd),
     (struct MHD_Daemon * daemon, int fd, const struct sockaddr *address, socklen_t size),
     (daemon, fd, address, size))

/* ---- libuv ---- */

WRAP(int, uv_loop_init, UV_ENOMEM, (uv_loop_t * loop), (loop))
WRAP(int, uv_async_init, UV_ENOMEM, (uv_loop_t * loop, uv_async_t *async, uv_async_cb sent),
     (loop, async, sent))
WRAP(int, uv_signal_init, UV_ENOMEM, (uv_loop_t * loop, uv_signal_t *handle), (loop, handle))
WRAP(int, uv_signal_start, UV_EINVAL, (uv_signal_t * handle, uv_signal_cb came, int number),
     (handle, came, number))
WRAP(int, uv_thread_create, UV_EAGAIN, (uv_thread_t * thread, uv_thread_cb run, void *data),
     (thread, run, data))
WRAP(int, uv_poll_init, UV_ENOMEM, (uv_loop_t * loop, uv_poll_t *poll, int fd), (loop, poll, fd))
WRAP(int, uv_poll_init_socket, UV_ENOMEM, (uv_loop_t * loop, uv_poll_t *poll, uv_os_sock_t socket),
     (loop, poll, socket))
WRAP(int, uv_poll_start, UV_EEXIST, (uv_poll_t * poll, int events, uv_poll_cb ready),
     (poll, events, ready))
WRAP(int, uv_getaddrinfo, UV_ENOMEM,
     (uv_loop_t * loop, uv_getaddrinfo_t *request, uv_getaddrinfo_cb done, const char *node,
      const char *service, const struct addrinfo *hints),
     (loop, request, done, node, service, hints))
WRAP(int, uv_tcp_connect, UV_ENOMEM,
     (uv_connect_t * request, uv_tcp_t *handle, const struct sockaddr *address, uv_connect_cb done),
     (request, handle, address, done))
WRAP(int, uv_read_start, UV_ENOMEM,
     (uv_stream_t * stream, uv_alloc_cb give_memory, uv_read_cb came), (stream, give_memory, came))
WRAP(int, uv_write, UV_ENOMEM,
     (uv_write_t * request, uv_stream_t *stream, const uv_buf_t *buffers, unsigned count,
      uv_write_cb sent),
     (request, stream, buffers, count, sent))

/* It tells by its call-back alone. */
void __real_uv_pipe_connect(uv_connect_t *request, uv_pipe_t *handle, const char *path,
                            uv_connect_cb done);
void __wrap_uv_pipe_connect(uv_connect_t *request, uv_pipe_t *handle, const char *path,
                            uv_connect_cb done);
void __wrap_uv_pipe_connect(uv_connect_t *request, uv_pipe_t *handle, const char *path,
                            uv_connect_cb done)
{
    __real_uv_pipe_connect(request, handle, fail_now(FAIL_uv_pipe_connect) ? "/nowhere" : path,
                           done);
}
