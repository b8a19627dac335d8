/* What a fault happens to, and how it is looked at. */
#include "stand.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "event.h"
#include "expect.h"
#include "findings.h"
#include "load.h"
#include "load_relation.h"
#include "process.h"
#include "test.h"

#define SERVICE_SESSIONS                                                                           \
    " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"        \
    " AND backend_type = 'client backend'"

/* ---- setting up ---- */

void stand_set_up(struct stand *stand, bool is_short)
{
    stand->is_short = is_short;
    if (stand->pg == NULL) {
        stand->pg = pg_server_create();
    }
    if (stand->redis == NULL) {
        stand->redis = redis_server_create();
    }
    redis_server_flush(stand->redis);
    stand->database_url = pg_fresh_database(stand->pg, "faults");
    stand->service_url = strdup(stand->database_url);
    stand->redis_url = strdup(redis_server_url(stand->redis));
    stand->ledger = ledger_create(LEDGER_CLIENTS);
    service_migrate(stand->database_url);
}

void stand_put_relays(struct stand *stand)
{
    char path[PROCESS_PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s/.s.PGSQL.5432", pg_server_directory(stand->pg));
    stand->pg_relay = relay_create(path);
    stand->redis_relay = relay_create(redis_server_url(stand->redis) + strlen("unix://"));
    free(stand->service_url);
    free(stand->redis_url);
    if (asprintf(&stand->service_url, "postgresql://postgres@/faults?host=%s&port=5432",
                 relay_directory(stand->pg_relay)) < 0 ||
        asprintf(&stand->redis_url, "unix://%s", relay_path(stand->redis_relay)) < 0) {
        process_fail("out of memory");
    }
}

static void limit_events(uint16_t port)
{
    struct http_client *client = http_client_create(port);
    event_put(client, "full", "{\"capacity\":48,\"waitlist\":false}");
    event_put(client, "queued", "{\"capacity\":48,\"waitlist\":true}");
    _Static_assert(LEDGER_CAPACITY == 48, "the bodies say how many");
    http_client_destroy(&client);
}

void stand_start_service(struct stand *stand, unsigned index)
{
    stand->services[index] =
        service_start(stand->service_url, stand->redis_url, stand->environment);
    if (stand->crowd != NULL) {
        crowd_set_port(stand->crowd, index, stand->services[index]->port);
    }
}

void stand_start_services(struct stand *stand, unsigned count, const char *const *environment)
{
    stand->service_count = count;
    stand->environment = environment;
    for (unsigned i = 0; i < count; i++) {
        stand_start_service(stand, i);
    }
    limit_events(stand->services[0]->port);
}

void stand_tear_down(struct stand *stand)
{
    stand_close_sessions(stand);
    crowd_destroy(&stand->crowd);
    for (unsigned i = 0; i < STAND_SERVICES_MAX; i++) {
        service_discard(&stand->services[i]);
    }
    relay_destroy(&stand->pg_relay);
    relay_destroy(&stand->redis_relay);
    pg_server_destroy(&stand->standby);
    free(stand->database_url);
    free(stand->service_url);
    free(stand->redis_url);
    free(stand->ledger);
    stand->database_url = stand->service_url = stand->redis_url = NULL;
    stand->ledger = NULL;
    if (stand->pg != NULL) {
        pg_server_heal(stand->pg);
    }
    if (stand->redis != NULL) {
        redis_server_heal(stand->redis);
    }
}

void stand_remove(struct stand *stand)
{
    redis_server_destroy(&stand->redis);
    pg_server_destroy(&stand->pg);
}

/* ---- looking ---- */

void stand_wait_ms(const struct stand *stand, int64_t ms)
{
    const int64_t end_ms = process_now_ms() + ms;
    while (process_now_ms() < end_ms && !crowd_has_ended(stand->crowd)) {
        process_nap();
    }
}

/* The connections of clients come and go: they are no descriptors that the service keeps. Those
 * that it has not accepted yet, or has closed, have no inode in the table (proc(5), /proc/net/tcp).
 */
static int64_t count_clients(const struct service *service)
{
    FILE *table = fopen("/proc/net/tcp", "re");
    char line[256];
    int64_t count = 0;
    while (table != NULL && fgets(line, sizeof line, table) != NULL) {
        enum { LISTEN = 10 }; /* of the kernel's include/net/tcp_states.h */
        unsigned port;
        unsigned state;
        unsigned long inode;
        if (sscanf(line, " %*d: %*8x:%x %*8x:%*x %x %*x:%*x %*x:%*x %*x %*u %*u %lu", &port, &state,
                   &inode) == 3 &&
            (port == service->port || port == service->admin_port) && state != LISTEN &&
            inode != 0) {
            count++;
        }
    }
    if (table != NULL) {
        fclose(table);
    }
    return count;
}

static int64_t count_descriptors(pid_t pid)
{
    char path[64];
    int64_t count = 0;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    while (directory != NULL && readdir(directory) != NULL) {
        count++;
    }
    if (directory != NULL) {
        closedir(directory);
    }
    return count;
}

/* field is one of proc(5)'s of /proc/PID/status, with its colon. */
static int64_t read_memory_kib(pid_t pid, const char *field)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    char *status = process_read_file(path);
    const char *line = strstr(status, field);
    const int64_t kib = line != NULL ? strtoll(line + strlen(field), NULL, 10) : 0;
    free(status);
    return kib;
}

struct stand_resources stand_measure(const struct stand *stand)
{
    struct stand_resources resources = {
        .pg_sessions = pg_query_int64(stand->database_url, "SELECT count(*)" SERVICE_SESSIONS),
        .redis_clients = redis_server_client_count(stand->redis),
    };
    for (unsigned i = 0; i < stand->service_count; i++) {
        if (stand->services[i] != NULL) {
            resources.descriptors +=
                count_descriptors(stand->services[i]->pid) - count_clients(stand->services[i]);
            resources.memory_kib += read_memory_kib(stand->services[i]->pid, "VmRSS:");
            resources.peak_kib += read_memory_kib(stand->services[i]->pid, "VmHWM:");
        }
    }
    return resources;
}

bool stand_open_session(struct stand *stand, const char *url)
{
    for (size_t i = 0; i < STAND_SESSIONS_MAX; i++) {
        if (stand->sessions[i] == NULL) {
            PGconn *session = PQconnectdb(url);
            if (PQstatus(session) != CONNECTION_OK) {
                PQfinish(session);
                return false;
            }
            stand->sessions[i] = session;
            return true;
        }
    }
    return false;
}

void stand_close_sessions(struct stand *stand)
{
    for (size_t i = 0; i < STAND_SESSIONS_MAX; i++) {
        PQfinish(stand->sessions[i]);
        stand->sessions[i] = NULL;
    }
}

/* ---- comparing ---- */

static void compare_with_service(const struct stand *stand, const struct findings *findings,
                                 const struct service *service)
{
    struct http_client *client = http_client_create(service->port);
    for (size_t i = 0; i < stand->ledger->client_count; i++) {
        int64_t counts[LEDGER_PLACES] = {0};
        const struct ledger_pair *pairs = stand->ledger->clients[i].pairs;
        for (size_t j = 0; j < LEDGER_MEMBERSHIPS; j++) {
            const struct ledger_pair *pair = &pairs[j];
            if (findings->of[i][j] == FOUND_WAITING) {
                expect_event_user(client, pair->id, pair->user, "waitlisted");
            } else {
                expect_member(client, pair->relation, pair->id, pair->user,
                              pair->possible == LEDGER_IN);
            }
            counts[pair->place] += pair->possible == LEDGER_IN;
        }
        for (size_t place = LEDGER_OWN_EVENT; place <= LEDGER_OWN_POST; place++) {
            const struct ledger_pair *pair = &pairs[place * LEDGER_USERS];
            expect_exact_count(client, pair->relation, pair->id, counts[place]);
        }
    }
    http_client_destroy(&client);
}

void stand_check(struct stand *stand, struct crowd_report *report)
{
    crowd_finish(stand->crowd, report);
    crowd_destroy(&stand->crowd);
    /* What is asked next can only be compared when no transaction of before is still to come. */
    pg_await(stand->database_url, "SELECT count(*) = 0" SERVICE_SESSIONS " AND state <> 'idle'");
    struct findings findings;
    findings_compare(&findings, stand->ledger, stand->database_url);
    for (unsigned i = 0; i < stand->service_count; i++) {
        compare_with_service(stand, &findings, stand->services[i]);
    }
}
