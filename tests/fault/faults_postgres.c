/* What can happen to PostgreSQL. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fault.h"
#include "process.h"

#define SERVICE_SESSIONS                                                                           \
    " FROM pg_stat_activity WHERE datname = 'faults' AND pid <> pg_backend_pid()"                  \
    " AND backend_type = 'client backend'"

/* ---- sessions ---- */

static void terminate(struct stand *stand, const char *which)
{
    pg_execute(stand->database_url, "SELECT pg_terminate_backend(pid)" SERVICE_SESSIONS " %s",
               which);
}

static void terminate_one(struct stand *stand)
{
    terminate(stand, "LIMIT 1");
}

static void terminate_all(struct stand *stand)
{
    terminate(stand, "");
}

static void terminate_again_and_again(struct stand *stand, int64_t until_ms)
{
    while (process_now_ms() < until_ms && !crowd_has_ended(stand->crowd)) {
        terminate_all(stand);
        stand_wait_ms(stand, 100);
    }
}

/* PostgreSQL then ends all sessions, and recovers as after a crash. */
static void kill_one(struct stand *stand)
{
    kill((pid_t)pg_query_int64(stand->database_url, "SELECT pid" SERVICE_SESSIONS " LIMIT 1"),
         SIGKILL);
}

static void await_postgres(struct stand *stand)
{
    stand_wait_ms(stand, 20); /* until it has noticed */
    pg_server_wait(stand->pg);
}

static void take_all_sessions(struct stand *stand)
{
    while (stand_open_session(stand, stand->database_url)) {
    }
    PQclear(PQexec(stand->sessions[0], "SELECT pg_terminate_backend(pid)" SERVICE_SESSIONS
                                       " AND application_name LIKE 'rsvpd%'"));
    while (stand_open_session(stand, stand->database_url)) {
    }
}

/* ---- the server ---- */

static void crash(struct stand *stand)
{
    pg_server_stop_immediate(stand->pg);
}

static void start(struct stand *stand)
{
    pg_server_start(stand->pg);
}

static void halt(struct stand *stand)
{
    pg_server_pause(stand->pg);
}

static void go_on(struct stand *stand)
{
    pg_server_resume(stand->pg);
}

static void set_read_only(struct stand *stand, bool read_only)
{
    pg_execute(stand->database_url, "ALTER SYSTEM SET default_transaction_read_only = %s",
               read_only ? "on" : "off");
    pg_execute(stand->database_url, "SELECT pg_reload_conf()");
}

static void become_read_only(struct stand *stand)
{
    set_read_only(stand, true);
}

static void become_writable(struct stand *stand)
{
    set_read_only(stand, false);
}

/* ---- locks ---- */

static void lock_hot_counter(struct stand *stand)
{
    if (!stand_open_session(stand, stand->database_url)) {
        process_fail("no session for the lock");
    }
    PQclear(PQexec(stand->sessions[0], "BEGIN"));
    PQclear(PQexec(stand->sessions[0],
                   "SELECT count FROM rsvp_counters WHERE event_id = 'hot' FOR UPDATE"));
}

const struct fault faults_postgres[] = {
    {
        .name = "pg-terminate-one",
        .promise = "a backend ended: back <= 1 s",
        .tolerated = CROWD_REFUSALS,
        .back_ms = 1000,
        .is_short = true,
        .begin = terminate_one,
    },
    {
        .name = "pg-terminate-all",
        .promise = "all backends ended: back <= 1 s",
        .tolerated = CROWD_REFUSALS,
        .back_ms = 1000,
        .begin = terminate_all,
    },
    {
        .name = "pg-terminate-loop",
        .promise = "pg_terminate_backend in a loop: back <= 1 s",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 5000,
        .back_ms = 1000,
        .is_short = true,
        .begin = terminate_all,
        .go_on = terminate_again_and_again,
    },
    {
        .name = "pg-kill-backend",
        .promise = "a backend killed (SIGKILL): back <= 2 s after PostgreSQL has recovered",
        .tolerated = CROWD_REFUSALS,
        .back_ms = 2000,
        .begin = kill_one,
        .end = await_postgres,
    },
    {
        .name = "pg-crash",
        .promise = "immediate shutdown and restart: back <= 2 s after it accepts",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 2000,
        .back_ms = 2000,
        .is_short = true,
        .begin = crash,
        .end = start,
    },
    {
        .name = "pg-stopped",
        .promise = "SIGSTOP for 10 s: 503/504 inside the deadline, memory bounded, back <= 1 s",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 10000,
        .back_ms = 1000,
        .is_short = true,
        .begin = halt,
        .end = go_on,
    },
    {
        .name = "pg-hot-lock",
        .promise = "a lock held on a hot counter: other events at no more than double latency",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 8000,
        .back_ms = 1000,
        .slower_max = 2,
        .begin = lock_hot_counter,
        .end = stand_close_sessions,
    },
    {
        .name = "pg-no-connections",
        .promise = "out of connections: clear errors, back by itself",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 4000,
        .back_ms = 3000,
        .begin = take_all_sessions,
        .end = stand_close_sessions,
    },
    {
        .name = "pg-read-only",
        .promise = "read-only: clear errors, back by itself",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 4000,
        .back_ms = 3000,
        .is_short = true,
        .begin = become_read_only,
        .end = become_writable,
        .clean_up = become_writable,
    },
};
const size_t faults_postgres_count = sizeof faults_postgres / sizeof faults_postgres[0];
