/* One session with whichever of several hosts gives it first.
 *
 * DESIGN: libpq asks hosts one after the other, and the addresses of each host's name likewise. One
 * that stands still, or whose network is gone, keeps it for connect_timeout, and what becomes of
 * the others meanwhile stays unseen: a host that is promoted a moment after it was asked is found
 * seconds later. So each address has a connection of its own here. They start one after the other,
 * the next one as soon as the one before has failed or a moment is over. In good times only the
 * first one is asked. Where one has failed while others are still silent, it is asked again and
 * again. */
#include "rsvpd/store/pg_race.h"
#include "rsvpd/base/clock.h"

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
    NEXT_US = 200 * 1000,  /* between the starts of two addresses */
    AGAIN_US = 200 * 1000, /* until one that has failed is asked again */
    TIMEOUT_MIN_S = 2,     /* libpq's */
    KEYWORDS_MAX = 96,     /* libpq has half as many */
    ADDRESSES_MAX = 16,    /* of one name */
    ADDRESS_SIZE_BYTES = INET6_ADDRSTRLEN + IF_NAMESIZE + 1,
};

/* One address of a host. */
struct address {
    const char *name, *given, *port; /* host, hostaddr, port; empty: what libpq takes then */
    char found[ADDRESS_SIZE_BYTES];  /* in the place of `given`; empty: not looked up */
    PGconn *connection;              /* NULL: not being asked */
    PostgresPollingStatusType wants;
    bool has_failed;
    int64_t due_us; /* monotonic: when it is asked, or asked again */
};

struct race {
    const PQconninfoOption *options; /* all that is asked for, with all hosts */
    char *names, *given, *ports;     /* what the addresses' texts are parts of */
    size_t host_count;
    struct address *addresses; /* in the order of the hosts */
    struct pollfd *sockets;    /* as many */
    size_t count;
    int64_t until_us; /* monotonic; INT64_MAX: for ever */
    char *message;    /* PG_RACE_MESSAGE_SIZE_BYTES */
};

static void add_message(struct race *race, const char *message)
{
    const size_t size = strlen(race->message);
    snprintf(race->message + size, PG_RACE_MESSAGE_SIZE_BYTES - size, "%s", message);
}

/* ---- what is asked ---- */

static char *copy_option(const PQconninfoOption *options, const char *keyword)
{
    while (options->keyword != NULL && strcmp(options->keyword, keyword) != 0) {
        options++;
    }
    const bool set = options->keyword != NULL && options->val != NULL;
    return strdup(set ? options->val : "");
}

static size_t count_parts(const char *list)
{
    size_t count = 1;
    while ((list = strchr(list, ',')) != NULL) {
        list++;
        count++;
    }
    return count;
}

/* The next part of the list; where there is none left, that was the last: one port for all. */
static const char *next_part(char **rest, const char *last)
{
    const char *part = strsep(rest, ",");
    return part != NULL ? part : last;
}

/* False where the number is none. */
static bool set_until(struct race *race, const char *timeout)
{
    char *end;
    long seconds = strtol(timeout, &end, 10);
    if (*end != '\0' || seconds > INT32_MAX) {
        return false;
    }
    seconds = seconds > 0 && seconds < TIMEOUT_MIN_S ? TIMEOUT_MIN_S : seconds;
    race->until_us = seconds > 0 ? clock_mono_us() + (int64_t)seconds * 1000 * 1000 : INT64_MAX;
    return true;
}

/* libpq has found the options to be in order: as many addresses as hosts, and so on. */
static bool read_lists(struct race *race)
{
    const PQconninfoOption *options = race->options;
    char *timeout = copy_option(options, "connect_timeout");
    race->names = copy_option(options, "host");
    race->given = copy_option(options, "hostaddr");
    race->ports = copy_option(options, "port");
    bool read =
        timeout != NULL && race->names != NULL && race->given != NULL && race->ports != NULL;
    if (read && !set_until(race, timeout)) {
        add_message(race, "invalid integer value for connect_timeout\n");
        read = false;
    } else if (read) {
        race->host_count = count_parts(race->given[0] != '\0' ? race->given : race->names);
    }
    free(timeout);
    return read;
}

/* NULL when memory is exhausted. */
static struct address *add_address(struct race *race, const struct address *address)
{
    struct address *addresses = reallocarray(race->addresses, race->count + 1, sizeof addresses[0]);
    if (addresses != NULL) {
        race->addresses = addresses;
        addresses[race->count] = *address;
        addresses[race->count].due_us = clock_mono_us() + (int64_t)race->count * NEXT_US;
        return &addresses[race->count++];
    }
    return NULL;
}

/* A name that cannot be looked up is left to libpq, which says so. */
static bool add_host(struct race *race, const struct address *host)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *infos = NULL;
    const bool by_name = host->given[0] == '\0' && host->name[0] != '\0' && host->name[0] != '/' &&
                         host->name[0] != '@';
    if (!by_name || getaddrinfo(host->name, NULL, &hints, &infos) != 0) {
        return add_address(race, host) != NULL;
    }
    bool added = true;
    size_t count = 0;
    for (const struct addrinfo *info = infos; info != NULL && added && count < ADDRESSES_MAX;
         info = info->ai_next) {
        struct address *address = add_address(race, host);
        added = address != NULL && getnameinfo(info->ai_addr, info->ai_addrlen, address->found,
                                               sizeof address->found, NULL, 0, NI_NUMERICHOST) == 0;
        count++;
    }
    freeaddrinfo(infos);
    return added;
}

static bool find_addresses(struct race *race)
{
    bool found = read_lists(race);
    char *names = race->names, *given = race->given, *ports = race->ports;
    const char *port = "";
    for (size_t i = 0; found && i < race->host_count; i++) {
        port = next_part(&ports, port);
        found = add_host(race, &(struct address){.name = next_part(&names, ""),
                                                 .given = next_part(&given, ""),
                                                 .port = port});
    }
    race->sockets = found && race->count > 0 ? calloc(race->count, sizeof race->sockets[0]) : NULL;
    return race->sockets != NULL;
}

static void ignore_notice(void *unused, const PGresult *notice)
{
    (void)unused;
    (void)notice;
}

static PGconn *start(const char *const *keywords, const char *const *values, bool expand)
{
    PGconn *connection = PQconnectStartParams(keywords, values, expand);
    /* A server's warning must not go to standard error, where the log is. */
    PQsetNoticeReceiver(connection, ignore_notice, NULL);
    return connection;
}

/* The option's value for one address. */
static const char *value_for(const struct address *address, const PQconninfoOption *option)
{
    const char *numeric = address->found[0] != '\0' ? address->found : address->given;
    return strcmp(option->keyword, "host") == 0       ? address->name
           : strcmp(option->keyword, "hostaddr") == 0 ? numeric
           : strcmp(option->keyword, "port") == 0     ? address->port
                                                      : option->val;
}

static PGconn *start_address(const struct race *race, const struct address *address)
{
    const char *keywords[KEYWORDS_MAX] = {0};
    const char *values[KEYWORDS_MAX] = {0};
    size_t size = 0;
    for (const PQconninfoOption *option = race->options; option->keyword != NULL; option++) {
        assert(size < KEYWORDS_MAX - 1);
        keywords[size] = option->keyword;
        values[size++] = value_for(address, option);
    }
    return start(keywords, values, false);
}

static bool is_started(const PGconn *connection)
{
    return PQstatus(connection) != CONNECTION_BAD;
}

/* ---- the race ---- */

/* The next one's turn comes at once. */
static void note_failure(struct race *race, struct address *address, int64_t now_us)
{
    if (!address->has_failed) {
        add_message(race, address->connection != NULL ? PQerrorMessage(address->connection)
                                                      : "out of memory\n");
    }
    PQfinish(address->connection);
    address->connection = NULL;
    address->has_failed = true;
    address->due_us = now_us + AGAIN_US;
    for (size_t i = 0; i < race->count; i++) {
        struct address *next = &race->addresses[i];
        if (next->connection == NULL && !next->has_failed) {
            next->due_us = now_us;
            break;
        }
    }
}

static void start_due(struct race *race, int64_t now_us)
{
    for (size_t i = 0; i < race->count; i++) {
        struct address *address = &race->addresses[i];
        if (address->connection == NULL && now_us >= address->due_us) {
            address->connection = start_address(race, address);
            address->wants = PGRES_POLLING_WRITING;
            if (!is_started(address->connection)) {
                note_failure(race, address, now_us);
            }
        }
    }
}

/* Whether an answer may come yet, other than by asking again. */
static bool goes_on(const struct race *race)
{
    bool goes_on = false;
    for (size_t i = 0; i < race->count; i++) {
        goes_on =
            goes_on || race->addresses[i].connection != NULL || !race->addresses[i].has_failed;
    }
    return goes_on;
}

/* Until a socket is ready, or somebody is due. */
static void wait_for_sockets(struct race *race, int64_t now_us)
{
    int64_t until_us = race->until_us;
    for (size_t i = 0; i < race->count; i++) {
        const struct address *address = &race->addresses[i];
        race->sockets[i] = (struct pollfd){
            .fd = address->connection != NULL ? PQsocket(address->connection) : -1,
            .events = address->wants == PGRES_POLLING_READING ? POLLIN : POLLOUT,
        };
        if (address->connection == NULL && address->due_us < until_us) {
            until_us = address->due_us;
        }
    }
    const int64_t wait_ms = until_us > now_us ? (until_us - now_us) / 1000 + 1 : 0;
    (void)poll(race->sockets, race->count, until_us == INT64_MAX ? -1 : (int)wait_ms);
}

/* Goes on with each that is ready. Returns the one that is done, or NULL. */
static struct address *go_on(struct race *race, int64_t now_us)
{
    for (size_t i = 0; i < race->count; i++) {
        struct address *address = &race->addresses[i];
        if (address->connection != NULL && race->sockets[i].revents != 0) {
            address->wants = PQconnectPoll(address->connection);
            if (address->wants == PGRES_POLLING_OK) {
                return address;
            }
            if (address->wants == PGRES_POLLING_FAILED) {
                note_failure(race, address, now_us);
            }
        }
    }
    return NULL;
}

/* Takes the connection from the one that is done first. */
static PGconn *find_winner(struct race *race)
{
    int64_t now_us = clock_mono_us();
    while (now_us < race->until_us) {
        start_due(race, now_us);
        if (!goes_on(race)) {
            return NULL;
        }
        wait_for_sockets(race, now_us);
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

static void free_race(struct race *race)
{
    for (size_t i = 0; i < race->count; i++) {
        PQfinish(race->addresses[i].connection);
    }
    free(race->addresses);
    free(race->sockets);
    free(race->names);
    free(race->given);
    free(race->ports);
}

PGconn *pg_race(const char *const *keywords, const char *const *values,
                char message[PG_RACE_MESSAGE_SIZE_BYTES])
{
    struct race race = {.message = message};
    PGconn *winner = NULL;
    *message = '\0';
    /* The first connection only tells what the string, the environment and files say. */
    PGconn *connection = start(keywords, values, true);
    if (!is_started(connection)) {
        add_message(&race, connection == NULL ? "out of memory\n" : PQerrorMessage(connection));
    } else {
        PQconninfoOption *options = PQconninfo(connection);
        race.options = options;
        if (options != NULL && find_addresses(&race)) {
            winner = find_winner(&race);
        } else if (*message == '\0') {
            add_message(&race, "out of memory\n");
        }
        PQconninfoFree(options);
    }
    PQfinish(connection);
    free_race(&race);
    return winner;
}

size_t pg_race_host_count(const char *url)
{
    char message[PG_RACE_MESSAGE_SIZE_BYTES] = "";
    PGconn *connection =
        start((const char *const[]){"dbname", NULL}, (const char *const[]){url, NULL}, true);
    PQconninfoOption *options = is_started(connection) ? PQconninfo(connection) : NULL;
    struct race race = {.options = options, .message = message};
    const size_t count = options != NULL && read_lists(&race) ? race.host_count : 0;
    PQconninfoFree(options);
    PQfinish(connection);
    free_race(&race);
    return count;
}
