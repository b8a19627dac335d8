/* Calls that fail on demand, put in front of the real ones by the linker (--wrap). */
#include "fail.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <libpq-fe.h>
#include <microhttpd.h>
#include <openssl/hmac.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

WRAP(unsigned char *, HMAC, NULL,
     (const EVP_MD *type, const void *key, int key_size, const unsigned char *data, size_t size,
      unsigned char *mac, unsigned *mac_size),
     (type, key, key_size, data, size, mac, mac_size))

/* ---- libpq ---- */

WRAP(PGconn *, PQconnectStartParams, NULL,
     (const char *const *names, const char *const *values, int expand), (names, values, expand))
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

/* It tells by PQstatus() alone: the connection is left where it was, still connecting. */
void __real_PQreset(PGconn *connection);
void __wrap_PQreset(PGconn *connection);
void __wrap_PQreset(PGconn *connection)
{
    if (!fail_now(FAIL_PQreset)) {
        __real_PQreset(connection);
    }
}

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
