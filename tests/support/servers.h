/* A PostgreSQL and a Redis of the test program's own: on Unix sockets in private directories, so
 * that any number of programs can run at once. Everything here fails the running test when it
 * cannot do its job; call it from the main thread. */
#ifndef RSVPD_TESTS_SERVERS_H
#define RSVPD_TESTS_SERVERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pg_conn; /* libpq's PGconn */
struct pg_server;
struct redis_server;

/* Creates a cluster with durable settings and starts it: a copy of the one in $RSVPD_PG_TEMPLATE,
 * which the first program that finds none puts there; without that variable, a new one. */
struct pg_server *pg_server_create(void);
/* The same, always a new one: with a number that no other cluster has. */
struct pg_server *pg_server_create_anew(void);
/* Stops the server if it runs and removes its directory; *server becomes NULL. */
void pg_server_destroy(struct pg_server **server);
/* What it is started with from now on besides its own arguments, and before which those give way:
 * NULL-terminated, the caller's to keep, or NULL. */
void pg_server_set_arguments(struct pg_server *server, const char *const *arguments);
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
/* Returns once it accepts connections, as after a crash from which it recovers by itself. */
void pg_server_wait(struct pg_server *server);
/* The process that all its sessions are children of; 0: it does not run. */
pid_t pg_server_pid(const struct pg_server *server);
/* Where its socket, its log and data/ are. */
const char *pg_server_directory(const struct pg_server *server);
/* The libpq URI of one of its databases, which the caller frees. */
char *pg_server_url(const struct pg_server *server, const char *database);

/* A streaming standby of the primary, started; a copy made now. */
struct pg_server *pg_server_create_standby(const struct pg_server *primary);
/* A copy of the primary made now, and started as a primary itself: on the same timeline. */
struct pg_server *pg_server_create_twin(const struct pg_server *primary);
/* The standby takes writes from now on. */
void pg_server_promote(struct pg_server *standby);
/* A server that does not run: it starts as a standby of that one the next time. */
void pg_server_demote(struct pg_server *server, const struct pg_server *primary);
/* A standby that does not run: it starts by restoring from the log of that one the next time, as
 * from an archive, and stays readable at the restore point until pg_wal_replay_resume(). */
void pg_server_restore(struct pg_server *server, const struct pg_server *primary,
                       const char *point);

/* Gives the role of the service its rights on the database, which is migrated: no more than
 * sql/roles/service_role.sql grants. */
void pg_grant_service_role(const char *url);
/* Lets that role see on a replica what it receives. */
void pg_grant_replica_reads(const char *url);
/* The URL with that role in it, where the one that owns the tables was. The caller frees it. */
char *pg_service_url(const char *url);
/* The same for the role of the relay, and sql/roles/relay_role.sql. */
void pg_grant_relay_role(const char *url);
char *pg_relay_url(const char *url);

/* The coordinator that $CITUS_URL names, where $RSVPD_ON_CITUS has this program run on it; else
 * NULL. pg_fresh_database gives its database, with the tables emptied, and pg_distribute
 * distributes them; elsewhere that does nothing. */
const char *citus_url(void);
void pg_distribute(const char *url);

/* Drops the database of that name if it is there and creates it empty. Gives its libpq URI, which
 * the caller frees. */
char *pg_fresh_database(struct pg_server *server, const char *name);

/* SQL on a connection of its own; the text is built as printf() does. The query of the latter two
 * answers one row of one column. */
void pg_execute(const char *url, const char *format, ...) __attribute__((format(printf, 2, 3)));
int64_t pg_query_int64(const char *url, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
bool pg_query_bool(const char *url, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Until the query, of one boolean, answers true; fails after a minute. */
void pg_await(const char *url, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Until so many sessions are ones that a service looks after: it discards their plans each second.
 */
void pg_await_looked_after(const char *url, int sessions);
/* Until somebody waits for a lock in the database. */
void pg_await_lock_waiter(const char *url);
/* Until so many sessions are left besides the one that asks: a backend goes on for a while with
 * what a client sent that is dead by now, and who looks before it has ended looks too early. */
void pg_await_sessions(const char *url, int left);
/* SQL in a session that goes on, such as one that holds a lock. */
void pg_session_execute(struct pg_conn *session, const char *sql);
/* A session of a transaction that goes on and has done this: PQfinish ends both. */
struct pg_conn *pg_session_begin(const char *url, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

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
/* What it is started with from now on besides its own arguments: NULL-terminated, the caller's to
 * keep, or NULL. */
void redis_server_set_arguments(struct redis_server *server, const char *const *arguments);
/* A command as redisCommand() builds it; the answer must be no error. */
void redis_server_execute(const struct redis_server *server, const char *format, ...);
/* The same; the answer must be an integer. */
int64_t redis_server_ask_int64(const struct redis_server *server, const char *format, ...);
/* How many clients are connected, this question's own left out. */
int64_t redis_server_client_count(const struct redis_server *server);
/* Has it listen on that TCP port of loopback as well, and want that password of all who connect
 * from now on; for a server that is not going to be started again. */
void redis_server_open(const struct redis_server *server, uint16_t port, const char *password);
/* unix:///path; lives as long as the server. */
const char *redis_server_url(const struct redis_server *server);

#endif
