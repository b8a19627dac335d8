/* One session with whichever of several hosts gives it first.
 *
 * DESIGN: libpq asks hosts one after the other, and the addresses of each host's name likewise. One
 * that stands still, or whose network is gone, keeps it for connect_timeout, and what becomes of
 * the others meanwhile stays unseen: a host that is promoted a moment after it was asked is found
 * seconds later. So each address has a connection of its own here. They start one after the other,
 * the next one as soon as the one before has failed or a moment is over. In good times only the
 * first one is asked. Where one has failed while others are still silent, it is asked again and
 * again.
 *
 * A name is looked up when it is its turn, once: in good times a name server that is gone holds up
 * nobody who is not asked. All stand still meanwhile, and so does the clock. */
#include "rsvpd/store/pg_race.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/store/pg_hosts.h"

#include <assert.h>
#include <libpq-fe.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NEXT_US = 200 * 1000,  /* between the starts of two, or less where the time is short */
    AGAIN_US = 200 * 1000, /* until one that has failed is asked again */
    KEYWORDS_MAX = 96,     /* libpq has half as many */
    FOUND_MAX = 16,        /* addresses of one name */
    ASKED_MAX = 32,        /* at a time: others want descriptors, too */
    ADDRESS_SIZE_BYTES = INET6_ADDRSTRLEN + IF_NAMESIZE + 1,
};

/* One address of a host; of a name, before it was looked up, the host itself. */
struct address {
    const struct pg_host *host;
    bool is_name;                   /* to be looked up */
    char found[ADDRESS_SIZE_BYTES]; /* empty: it was not looked up */
    PGconn *connection;             /* NULL: not being asked */
    PostgresPollingStatusType wants;
    const struct pollfd *socket; /* NULL: not waited for */
    bool has_failed;
    int64_t due_us; /* monotonic: when it is asked, or asked again */
};

struct race {
    struct pg_hosts hosts;
    struct address *addresses; /* in the order of the hosts */
    size_t count;
    size_t asked;     /* how many have a connection */
    int64_t until_us; /* monotonic; INT64_MAX: for ever */
    char *message;    /* PG_RACE_MESSAGE_SIZE_BYTES */
};

static void add_message(struct race *race, const char *message)
{
    const size_t size = strlen(race->message);
    snprintf(race->message + size, PG_RACE_MESSAGE_SIZE_BYTES - size, "%s", message);
}

/* ---- who is asked ---- */

/* So that all of them have half of the time at the least. */
static int64_t step_us(const struct race *race, size_t count, int64_t now_us)
{
    const int64_t left_us = race->until_us - now_us;
    const int64_t step_us = left_us > 0 ? left_us / 2 / (int64_t)count : 0;
    return step_us < NEXT_US ? step_us : NEXT_US;
}

/* Without looking anything up. */
static bool take_hosts(struct race *race)
{
    const struct pg_hosts *hosts = &race->hosts;
    const int64_t now_us = clock_mono_us();
    race->until_us = hosts->timeout_us > 0 ? now_us + hosts->timeout_us : INT64_MAX;
    race->addresses = calloc(hosts->count, sizeof race->addresses[0]);
    if (race->addresses == NULL) {
        return false;
    }
    const int64_t step = step_us(race, hosts->count, now_us);
    race->count = hosts->count;
    for (size_t i = 0; i < hosts->count; i++) {
        const struct pg_host *host = &hosts->at[i];
        race->addresses[i] = (struct address){
            .host = host,
            .is_name = host->address[0] == '\0' && host->name[0] != '\0' && host->name[0] != '/' &&
                       host->name[0] != '@',
            .due_us = now_us + (int64_t)i * step,
        };
    }
    return true;
}

/* Makes room for further addresses of the same host behind it. */
static bool insert_behind(struct race *race, size_t at, size_t further)
{
    struct address *addresses =
        reallocarray(race->addresses, race->count + further, sizeof addresses[0]);
    if (addresses == NULL) {
        return false;
    }
    memmove(&addresses[at + 1 + further], &addresses[at + 1],
            (race->count - at - 1) * sizeof addresses[0]);
    race->addresses = addresses;
    race->count += further;
    return true;
}

static size_t count_found(const struct addrinfo *infos)
{
    size_t count = 0;
    while (infos != NULL && count < FOUND_MAX) {
        infos = infos->ai_next;
        count++;
    }
    return count;
}

/* The first one found takes the name's place, and its turn. */
static bool take_found(struct race *race, size_t at, const struct addrinfo *infos, int64_t now_us)
{
    const size_t count = count_found(infos);
    const int64_t step = step_us(race, count, now_us);
    struct address address = race->addresses[at];
    if (!insert_behind(race, at, count - 1)) {
        return false;
    }
    address.is_name = false;
    for (size_t i = 0; i < count; i++, infos = infos->ai_next) {
        address.due_us = now_us + (int64_t)i * step;
        if (getnameinfo(infos->ai_addr, infos->ai_addrlen, address.found, sizeof address.found,
                        NULL, 0, NI_NUMERICHOST) != 0) {
            address.found[0] = '\0';
        }
        race->addresses[at + i] = address;
    }
    return true;
}

/* Blocks; the others are not short of the time that it took. False where nothing is found. */
static bool look_up(struct race *race, size_t at, int64_t *now_us)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *infos = NULL;
    const int failed = getaddrinfo(race->addresses[at].host->name, NULL, &hints, &infos);
    const int64_t then_us = *now_us;
    *now_us = clock_mono_us();
    if (race->until_us != INT64_MAX) {
        race->until_us += *now_us - then_us;
    }
    if (failed != 0) {
        add_message(race, "could not translate host name\n");
        return false;
    }
    const bool taken = take_found(race, at, infos, *now_us);
    if (!taken) {
        add_message(race, "out of memory\n");
    }
    freeaddrinfo(infos);
    return taken;
}

static void ignore_notice(void *unused, const PGresult *notice)
{
    (void)unused;
    (void)notice;
}

/* The option's value for one address. */
static const char *value_for(const struct address *address, const PQconninfoOption *option)
{
    const struct pg_host *host = address->host;
    return strcmp(option->keyword, "host") == 0 ? host->name
           : strcmp(option->keyword, "hostaddr") == 0
               ? (address->found[0] != '\0' ? address->found : host->address)
           : strcmp(option->keyword, "port") == 0 ? host->port
                                                  : option->val;
}

/* NULL where memory is exhausted. */
static PGconn *start_address(const struct race *race, const struct address *address)
{
    const char *keywords[KEYWORDS_MAX] = {0};
    const char *values[KEYWORDS_MAX] = {0};
    size_t size = 0;
    for (const PQconninfoOption *option = race->hosts.options; option->keyword != NULL; option++) {
        assert(size < KEYWORDS_MAX - 1);
        keywords[size] = option->keyword;
        values[size++] = value_for(address, option);
    }
    PGconn *connection = PQconnectStartParams(keywords, values, false);
    /* A server's warning must not go to standard error, where the log is. */
    PQsetNoticeReceiver(connection, ignore_notice, NULL);
    return connection;
}

/* ---- the race ---- */

static void end_asking(struct race *race, struct address *address)
{
    if (address->connection != NULL) {
        PQfinish(address->connection);
        address->connection = NULL;
        race->asked--;
    }
}

/* The next one's turn comes at once. A name that is not found is not looked up again: its
 * `found` would stay empty. */
static void note_failure(struct race *race, struct address *address, int64_t now_us)
{
    end_asking(race, address);
    address->has_failed = true;
    address->due_us = address->is_name ? INT64_MAX : now_us + AGAIN_US;
    for (size_t i = 0; i < race->count; i++) {
        struct address *next = &race->addresses[i];
        if (next->connection == NULL && !next->has_failed) {
            next->due_us = now_us;
            break;
        }
    }
}

static void note_refusal(struct race *race, struct address *address, int64_t now_us)
{
    if (!address->has_failed) {
        add_message(race, PQerrorMessage(address->connection));
    }
    note_failure(race, address, now_us);
}

static void ask(struct race *race, struct address *address, int64_t now_us)
{
    address->connection = start_address(race, address);
    address->wants = PGRES_POLLING_WRITING;
    address->socket = NULL;
    if (address->connection == NULL) {
        add_message(race, "out of memory\n");
        note_failure(race, address, now_us);
        return;
    }
    race->asked++;
    if (PQstatus(address->connection) == CONNECTION_BAD) {
        note_refusal(race, address, now_us);
    }
}

/* Whether one has not answered at all yet: only then others are asked again. */
static bool is_anyone_silent(const struct race *race)
{
    bool silent = false;
    for (size_t i = 0; i < race->count && !silent; i++) {
        silent = !race->addresses[i].has_failed;
    }
    return silent;
}

static bool waits_for_turn(const struct address *address, bool again)
{
    return address->connection == NULL && (again || !address->has_failed);
}

static void start_due(struct race *race, bool again, int64_t *now_us)
{
    for (size_t i = 0; i < race->count && race->asked < ASKED_MAX; i++) {
        const struct address *address = &race->addresses[i];
        if (!waits_for_turn(address, again) || *now_us < address->due_us) {
            continue;
        }
        if (address->is_name && !look_up(race, i, now_us)) {
            note_failure(race, &race->addresses[i], *now_us);
        } else {
            ask(race, &race->addresses[i], *now_us);
        }
    }
}

/* Until a socket is ready, or somebody is due. */
static void wait_for_sockets(struct race *race, bool again, struct pollfd sockets[ASKED_MAX],
                             int64_t now_us)
{
    enum { WAIT_MAX_US = 1000 * 1000 * 1000 };
    int64_t until_us = race->until_us;
    nfds_t count = 0;
    for (size_t i = 0; i < race->count; i++) {
        struct address *address = &race->addresses[i];
        if (address->connection != NULL) {
            sockets[count] = (struct pollfd){
                .fd = PQsocket(address->connection),
                .events = address->wants == PGRES_POLLING_READING ? POLLIN : POLLOUT,
            };
            address->socket = &sockets[count++];
        } else if (waits_for_turn(address, again) && race->asked < ASKED_MAX &&
                   address->due_us < until_us) {
            until_us = address->due_us;
        }
    }
    int64_t wait_us = until_us > now_us ? until_us - now_us : 0;
    wait_us = wait_us < WAIT_MAX_US ? wait_us : WAIT_MAX_US;
    (void)poll(sockets, count, (int)(wait_us / 1000) + 1);
}

/* Goes on with each that is ready. Returns the one that is done, or NULL. */
static struct address *go_on(struct race *race, int64_t now_us)
{
    for (size_t i = 0; i < race->count; i++) {
        struct address *address = &race->addresses[i];
        if (address->connection != NULL && address->socket != NULL &&
            address->socket->revents != 0) {
            address->wants = PQconnectPoll(address->connection);
            if (address->wants == PGRES_POLLING_OK) {
                return address;
            }
            if (address->wants == PGRES_POLLING_FAILED) {
                note_refusal(race, address, now_us);
            }
        }
    }
    return NULL;
}

/* Takes the connection from the one that is done first. */
static PGconn *find_winner(struct race *race)
{
    struct pollfd sockets[ASKED_MAX];
    int64_t now_us = clock_mono_us();
    while (now_us < race->until_us) {
        start_due(race, is_anyone_silent(race), &now_us);
        const bool again = is_anyone_silent(race);
        if (race->asked == 0 && !again) {
            return NULL;
        }
        wait_for_sockets(race, again, sockets, now_us);
        now_us = clock_mono_us();
        struct address *winner = go_on(race, now_us);
        if (winner != NULL) {
            PGconn *connection = winner->connection;
            winner->connection = NULL;
            return connection;
        }
    }
    add_message(race, "timeout expired\n");
    return NULL;
}

PGconn *pg_race(const char *const *keywords, const char *const *values,
                char message[PG_RACE_MESSAGE_SIZE_BYTES])
{
    struct race race = {.message = message};
    PGconn *winner = NULL;
    *message = '\0';
    if (pg_hosts_read(keywords, values, &race.hosts, message, PG_RACE_MESSAGE_SIZE_BYTES)) {
        if (take_hosts(&race)) {
            winner = find_winner(&race);
        } else {
            add_message(&race, "out of memory\n");
        }
    }
    for (size_t i = 0; i < race.count; i++) {
        PQfinish(race.addresses[i].connection);
    }
    free(race.addresses);
    pg_hosts_free(&race.hosts);
    return winner;
}
