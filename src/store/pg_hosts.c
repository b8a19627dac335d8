/* Which hosts a connection string names, with the environment and files.
 *
 * DESIGN: libpq tells what all of these say together of a connection alone (PQconninfo), and only
 * of one that it was told to begin. So it is told to begin one that it cannot: to a port, or to an
 * address, that is none. What that took the place of, the other attempt tells. What else is wrong
 * is left to those who connect. */
#include "rsvpd/store/pg_hosts.h"

#include <assert.h>
#include <ctype.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEYWORDS_MAX = 16, TIMEOUT_MIN_S = 2 /* libpq's */ };

static const char no_port[] = "0", no_address[] = "none", default_port[] = "5432";

const char *pg_hosts_option(const PQconninfoOption *options, const char *keyword)
{
    while (options->keyword != NULL && strcmp(options->keyword, keyword) != 0) {
        options++;
    }
    return options->keyword != NULL && options->val != NULL ? options->val : "";
}

/* All options with this one in its place. NULL with `message` filled in where the string, or a
 * file, is not understood. */
static PQconninfoOption *read_with(const char *const *keywords, const char *const *values,
                                   const char *keyword, const char *value, char *message,
                                   size_t size)
{
    const char *all[KEYWORDS_MAX] = {0}, *all_values[KEYWORDS_MAX] = {0};
    size_t count = 0;
    for (; keywords[count] != NULL; count++) {
        assert(count < KEYWORDS_MAX - 2);
        all[count] = keywords[count];
        all_values[count] = values[count];
    }
    all[count] = keyword;
    all_values[count] = value;
    PGconn *connection = PQconnectStartParams(all, all_values, true);
    PQconninfoOption *options = connection == NULL ? NULL : PQconninfo(connection);
    if (options == NULL) {
        snprintf(message, size, "out of memory\n");
    } else if (strcmp(pg_hosts_option(options, keyword), value) != 0) { /* it did not come so far */
        snprintf(message, size, "%s", PQerrorMessage(connection));
        PQconninfoFree(options);
        options = NULL;
    }
    PQfinish(connection);
    return options;
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

/* False where the number is none. */
static bool read_timeout(struct pg_hosts *hosts)
{
    const char *timeout = pg_hosts_option(hosts->options, "connect_timeout");
    char *end;
    long seconds = strtol(timeout, &end, 10);
    while (isspace((unsigned char)*end)) {
        end++;
    }
    if (*end != '\0' || seconds > INT32_MAX) {
        return false;
    }
    seconds = seconds > 0 && seconds < TIMEOUT_MIN_S ? TIMEOUT_MIN_S : seconds;
    hosts->timeout_us = seconds > 0 ? (int64_t)seconds * 1000 * 1000 : 0;
    return true;
}

/* The next part of a list that may be shorter, or empty. */
static const char *next_part(char **rest)
{
    const char *part = strsep(rest, ",");
    return part != NULL ? part : "";
}

/* As many addresses as names where there are both, and as many ports, or one for all. */
static bool lists_match(const struct pg_hosts *hosts)
{
    const size_t ports = count_parts(hosts->ports);
    const bool both = hosts->names[0] != '\0' && hosts->addresses[0] != '\0';
    return (!both || count_parts(hosts->names) == count_parts(hosts->addresses)) &&
           (ports == 1 || ports == hosts->count);
}

static void split_lists(struct pg_hosts *hosts)
{
    char *names = hosts->names, *addresses = hosts->addresses, *ports = hosts->ports;
    const char *port = "";
    for (size_t i = 0; i < hosts->count; i++) {
        port = ports != NULL ? next_part(&ports) : port; /* one for all */
        hosts->at[i] = (struct pg_host){.name = next_part(&names),
                                        .address = next_part(&addresses),
                                        .port = port[0] != '\0' ? port : default_port};
    }
}

static bool take_lists(struct pg_hosts *hosts, const PQconninfoOption *with_ports, char *message,
                       size_t size)
{
    hosts->names = strdup(pg_hosts_option(hosts->options, "host"));
    hosts->addresses = strdup(pg_hosts_option(hosts->options, "hostaddr"));
    hosts->ports = strdup(pg_hosts_option(with_ports, "port"));
    if (hosts->names == NULL || hosts->addresses == NULL || hosts->ports == NULL) {
        snprintf(message, size, "out of memory\n");
        return false;
    }
    hosts->count = count_parts(hosts->addresses[0] != '\0' ? hosts->addresses : hosts->names);
    if (!lists_match(hosts)) {
        snprintf(message, size, "invalid value: as many hosts, addresses and ports are wanted\n");
        return false;
    }
    hosts->at = calloc(hosts->count, sizeof hosts->at[0]);
    if (hosts->at == NULL) {
        snprintf(message, size, "out of memory\n");
        return false;
    }
    split_lists(hosts);
    return true;
}

bool pg_hosts_read(const char *const *keywords, const char *const *values, struct pg_hosts *hosts,
                   char *message, size_t size)
{
    *hosts = (struct pg_hosts){.count = 0};
    hosts->options = read_with(keywords, values, "port", no_port, message, size);
    if (hosts->options == NULL) {
        return false;
    }
    if (!read_timeout(hosts)) {
        snprintf(message, size, "invalid integer value for connect_timeout\n");
        return false;
    }
    PQconninfoOption *with_ports =
        read_with(keywords, values, "hostaddr", no_address, message, size);
    const bool read = with_ports != NULL && take_lists(hosts, with_ports, message, size);
    PQconninfoFree(with_ports);
    return read;
}

void pg_hosts_free(struct pg_hosts *hosts)
{
    PQconninfoFree(hosts->options);
    free(hosts->names);
    free(hosts->addresses);
    free(hosts->ports);
    free(hosts->at);
}

size_t pg_hosts_count(const char *url)
{
    const char *const keywords[] = {"dbname", NULL}, *const values[] = {url, NULL};
    struct pg_hosts hosts;
    char ignored[1];
    const size_t count =
        pg_hosts_read(keywords, values, &hosts, ignored, sizeof ignored) ? hosts.count : 0;
    pg_hosts_free(&hosts);
    return count;
}
