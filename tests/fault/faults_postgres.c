/* What can happen to PostgreSQL. */
#include <sched.h>
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

/* ---- the disk ---- */

enum { WAL_DISK_MIB = 128 };

static char wal_directory[PROCESS_PATH_SIZE + 32];
static bool wal_is_mounted;

static const char *needs_root(void)
{
    return geteuid() == 0 ? NULL : "mounting a small file system needs root";
}

static void run_tool(const char *const *argv)
{
    const struct process_spec spec = {.argv = argv};
    if (process_run(&spec) != 0) {
        process_fail("%s failed", argv[0]);
    }
}

/* Puts the write-ahead log on a small file system, in a mount namespace of this program's own. */
static void move_wal(struct stand *stand)
{
    static char data[PROCESS_PATH_SIZE + 32];
    static char size[32];
    pg_server_stop(stand->pg);
    snprintf(wal_directory, sizeof wal_directory, "%s/wal", pg_server_directory(stand->pg));
    snprintf(data, sizeof data, "%s/data/pg_wal", pg_server_directory(stand->pg));
    snprintf(size, sizeof size, "size=%dm", WAL_DISK_MIB);
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mkdir(wal_directory, 0700) != 0 || mount("rsvpd", wal_directory, "tmpfs", 0, size) != 0) {
        process_fail("no small file system at %s", wal_directory);
    }
    wal_is_mounted = true;
    run_tool((const char *const[]){"/bin/cp", "-a", "-T", data, wal_directory, NULL});
    run_tool((const char *const[]){"/bin/rm", "-r", data, NULL});
    run_tool((const char *const[]){"/bin/ln", "-s", wal_directory, data, NULL});
    pg_server_start(stand->pg);
}

/* Takes what is left of the disk, and has PostgreSQL ask for more. */
static void fill_disk(struct stand *stand)
{
    static const char block[1 << 16];
    char path[PROCESS_PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/ballast", wal_directory);
    FILE *ballast = fopen(path, "we");
    while (ballast != NULL && fwrite(block, 1, sizeof block, ballast) == sizeof block) {
    }
    if (ballast != NULL) {
        fclose(ballast);
    }
    for (unsigned i = 0; i < WAL_DISK_MIB && stand_open_session(stand, stand->database_url); i++) {
        PQclear(PQexec(stand->sessions[0], "SELECT pg_switch_wal()"));
        stand_close_sessions(stand);
        stand_wait_ms(stand, 20);
    }
}

static void empty_disk(struct stand *stand)
{
    char path[PROCESS_PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/ballast", wal_directory);
    unlink(path);
    pg_server_heal(stand->pg);
    pg_server_wait(stand->pg);
}

static void remove_postgres(struct stand *stand)
{
    pg_server_destroy(&stand->pg);
}

static void unmount_wal(struct stand *stand)
{
    if (wal_is_mounted) {
        pg_server_heal(stand->pg);
        pg_server_stop_immediate(stand->pg);
        umount2(wal_directory, MNT_DETACH);
        wal_is_mounted = false;
    }
    remove_postgres(stand);
}

/* ---- failover ---- */

static void put_standby(struct stand *stand)
{
    stand->standby = pg_server_create_standby(stand->pg);
    pg_execute(stand->database_url, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    pg_execute(stand->database_url, "SELECT pg_reload_conf()");
    pg_await(stand->database_url,
             "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')");
    free(stand->service_url);
    if (asprintf(&stand->service_url, "postgresql://postgres@/faults?host=%s,%s&port=5432,5432",
                 pg_server_directory(stand->pg), pg_server_directory(stand->standby)) < 0) {
        process_fail("out of memory");
    }
}

/* The primary dies, and comes back as whoever manages it would have it: read-only. */
static void lose_primary(struct stand *stand)
{
    pg_server_stop_immediate(stand->pg);
    pg_server_demote(stand->pg, stand->standby);
    pg_server_start(stand->pg);
}

static void promote_standby(struct stand *stand)
{
    pg_server_promote(stand->standby);
    free(stand->database_url);
    stand->database_url = pg_server_url(stand->standby, "faults");
}

static void judge_old_primary(struct stand *stand, struct verdict *verdict)
{
    char *url = pg_server_url(stand->pg, "faults");
    if (!pg_query_bool(url, "SELECT pg_is_in_recovery()")) {
        verdict_fail(verdict, "the old primary takes writes");
    }
    const int64_t sessions =
        pg_query_int64(url, "SELECT count(*)" SERVICE_SESSIONS " AND application_name = 'rsvpd'");
    if (sessions > 0) {
        verdict_fail(verdict, "%lld sessions at the old primary", (long long)sessions);
    }
    free(url);
}

/* ---- a replica that is read ---- */

static char read_url[PROCESS_PATH_SIZE + 128];
static const char *const reads_from_replica[] = {read_url, NULL};

static void put_replica(struct stand *stand)
{
    pg_grant_replica_reads(stand->database_url);
    stand->standby = pg_server_create_standby(stand->pg);
    char *url = pg_server_url(stand->standby, "faults");
    char *role = pg_service_url(url);
    snprintf(read_url, sizeof read_url, "DATABASE_READ_URL=%s", role);
    free(role);
    free(url);
}

static void pause_replay(struct stand *stand)
{
    char *url = pg_server_url(stand->standby, "faults");
    pg_execute(url, "SELECT pg_wal_replay_pause()");
    free(url);
}

/* It lags, stands still, and crashes, again and again. */
static void trouble_replica(struct stand *stand, int64_t until_ms)
{
    while (process_now_ms() < until_ms && !crowd_has_ended(stand->crowd)) {
        char *url = pg_server_url(stand->standby, "faults");
        pg_execute(url, "SELECT pg_wal_replay_pause()");
        stand_wait_ms(stand, 300);
        pg_execute(url, "SELECT pg_wal_replay_resume()");
        stand_wait_ms(stand, 300);
        pg_server_pause(stand->standby);
        stand_wait_ms(stand, 300);
        pg_server_resume(stand->standby);
        pg_server_stop_immediate(stand->standby);
        pg_server_start(stand->standby);
        stand_wait_ms(stand, 300);
        free(url);
    }
}

static void promote_replica(struct stand *stand)
{
    pg_server_promote(stand->standby);
}

static void judge_replica(struct stand *stand, struct verdict *verdict)
{
    const char *const replica[] = {"source", "replica", NULL};
    int64_t reads = 0;
    for (unsigned i = 0; i < stand->service_count; i++) {
        reads += service_metric(stand->services[i], "rsvpd_reads_total", replica);
    }
    if (reads == 0) {
        verdict_fail(verdict, "nothing was read from the replica");
    }
    verdict_add(verdict, "%lld reads by the replica", (long long)reads);
}

const struct fault faults_postgres[] = {
    {
        .name = "pg-terminate-one",
        .promise = "a backend ended: back <= 1 s",
        .tolerated = CROWD_REFUSALS,
        .back_ms = 1000,
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
        .begin = become_read_only,
        .end = become_writable,
        .clean_up = become_writable,
    },
    {
        .name = "pg-disk-full",
        .promise = "out of disk for the write-ahead log: clear errors, back by itself",
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 4000,
        .back_ms = 3000,
        .obstacle = needs_root,
        .prepare = move_wal,
        .begin = fill_disk,
        .end = empty_disk,
        .clean_up = unmount_wal,
    },
    {
        .name = "pg-failover",
        .promise = "synchronous standby promoted: no acknowledged write lost, back <= 3 s after "
                   "promotion, old primary never written to",
        .services = 2,
        .tolerated = CROWD_REFUSALS,
        .lasts_ms = 3000,
        .back_ms = 3000,
        .is_short = true,
        .prepare = put_standby,
        .begin = lose_primary,
        .end = promote_standby,
        .judge = judge_old_primary,
        .clean_up = remove_postgres,
    },
    {
        .name = "pg-replica",
        .promise = "a replica that is read lags, stands still, crashes and is promoted: no request "
                   "fails, no read misses an acknowledged write",
        .services = 2,
        .lasts_ms = 3000,
        .back_ms = 1000,
        .is_short = true,
        .environment = reads_from_replica,
        .prepare = put_replica,
        .begin = pause_replay,
        .go_on = trouble_replica,
        .end = promote_replica,
        .judge = judge_replica,
    },
};
const size_t faults_postgres_count = sizeof faults_postgres / sizeof faults_postgres[0];
