/* A PostgreSQL and a Redis of the test program's own: on Unix sockets in private directories, so
 * that any number of programs can run at once. Everything here fails the running test when it
 * cannot do its job; call it from the main thread. */
#ifndef RSVPD_TESTS_SERVERS_H
#define RSVPD_TESTS_SERVERS_H

#include <stdbool.h>
#include <stdint.h>

struct pg_server;
struct redis_server;

/* Creates a cluster with durable settings and starts it. */
struct pg_server *pg_server_create(void);
/* Stops the server if it runs and removes its directory; *server becomes NULL. */
void pg_server_destroy(struct pg_server **server);
/* Starts it again and returns once it accepts connections. */
void pg_server_start(struct pg_server *server);
/* Fast shutdown: sessions are ended, a checkpoint is written. */
void pg_server_stop(struct pg_server *server);
/* Immediate shutdown, as after a crash: the next start recovers from the log. */
void pg_server_stop_immediate(struct pg_server *server);
void pg_server_restart(struct pg_server *server);
/* All its processes stand still (connections stay open and nobody answers) and go on again. */
void pg_server_pause(struct pg_server *server);
void pg_server_resume(struct pg_server *server);
/* Whatever was done to it: it runs and goes on. */
void pg_server_heal(struct pg_server *server);

/* Drops the database of that name if it is there and creates it empty. Gives its libpq URI, which
 * the caller frees. */
char *pg_fresh_database(struct pg_server *server, const char *name);

/* SQL on a connection of its own; the text is built as printf() does. The query of the latter two
 * answers one row of one column. */
void pg_execute(const char *url, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t pg_query_int64(const char *url, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool pg_query_bool(const char *url, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A Redis without persistence, started. */
struct redis_server *redis_server_create(void);
void redis_server_destroy(struct redis_server **server);
/* A stopped or killed server comes back empty. */
void redis_server_start(struct redis_server *server);
void redis_server_stop(struct redis_server *server);
void redis_server_kill(struct redis_server *server);
void redis_server_pause(struct redis_server *server);
void redis_server_resume(struct redis_server *server);
void redis_server_heal(struct redis_server *server);
/* FLUSHALL */
void redis_server_flush(struct redis_server *server);
/* unix:///path; lives as long as the server. */
const char *redis_server_url(const struct redis_server *server);

#endif
