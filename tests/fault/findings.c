/* What the database has of what the crowd did, against the ledger. */
#include "findings.h"

#include <libpq-fe.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "load.h"
#include "load_relation.h"
#include "process.h"
#include "servers.h"
#include "test.h"

static PGresult *query(PGconn *session, const char *sql)
{
    PGresult *result = PQexec(session, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        process_fail("%s\n%s", sql, PQerrorMessage(session));
    }
    return result;
}

/* Where users are named. Those of the swarm, and what drills have stored before, are nobody's
 * pairs.
 */
static const struct {
    const char *name;
    const struct relation *relation; /* NULL: LEDGER_KEPT */
    enum finding finding;
    const char *users; /* event or post, user */
} tables[] = {
    {"rsvps", &relations[RELATION_RSVP], FOUND_MEMBER,
     "SELECT event_id, user_id FROM rsvps WHERE event_id < 'stored-' OR event_id >= 'stored.'"},
    {"likes", &relations[RELATION_LIKE], FOUND_MEMBER,
     "SELECT post_id, user_id FROM likes WHERE post_id NOT LIKE 'swarm-%'"},
    {"waitlist", &relations[RELATION_RSVP], FOUND_WAITING,
     "SELECT event_id, user_id FROM waitlist WHERE event_id < 'stored-' OR event_id >= 'stored.'"},
    {"idempotency_keys", NULL, FOUND_KEPT, "SELECT DISTINCT '', user_id FROM idempotency_keys"},
};

/* Finds the row among those of a client's pairs, by the number that its user's name carries. */
static enum finding *find_pair(const struct ledger *ledger, struct findings *findings,
                               const struct relation *relation, const char *id, const char *user)
{
    unsigned client;
    if (sscanf(user, "user-%u.", &client) != 1 || client >= ledger->client_count) {
        return NULL;
    }
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        const struct ledger_pair *pair = &ledger->clients[client].pairs[i];
        if (pair->relation == relation && strcmp(pair->id, id) == 0 &&
            strcmp(pair->user, user) == 0) {
            return &findings->of[client][i];
        }
    }
    return NULL;
}

/* A row that nobody asked for fails the test, and so does whoever goes and waits. */
static void find_rows(struct findings *findings, const struct ledger *ledger,
                      const char *database_url)
{
    PGconn *session = PQconnectdb(database_url);
    *findings = (struct findings){.of = {{FOUND_NOTHING}}};
    for (size_t i = 0; i < LENGTH(tables); i++) {
        PGresult *result = query(session, tables[i].users);
        for (int row = 0; row < PQntuples(result); row++) {
            const char *id = PQgetvalue(result, row, 0);
            const char *user = PQgetvalue(result, row, 1);
            enum finding *finding = find_pair(ledger, findings, tables[i].relation, id, user);
            if (finding == NULL || *finding != FOUND_NOTHING) {
                process_fail("%s has a row that %s: %s %s", tables[i].name,
                             finding == NULL ? "nobody asked for" : "another table excludes", id,
                             user);
            }
            *finding = tables[i].finding;
        }
        PQclear(result);
    }
    PQfinish(session);
}

static void expect_seats_are_taken(const char *database_url)
{
    assert_true(
        pg_query_int64(database_url, "SELECT count(*) FROM rsvps WHERE event_id = 'full'") <=
        LEDGER_CAPACITY);
    const int64_t going =
        pg_query_int64(database_url, "SELECT count(*) FROM rsvps WHERE event_id = 'queued'");
    const int64_t waiting =
        pg_query_int64(database_url, "SELECT count(*) FROM waitlist WHERE event_id = 'queued'");
    if (going > LEDGER_CAPACITY || (waiting > 0 && going < LEDGER_CAPACITY)) {
        process_fail("%lld go and %lld wait where there are %d seats", (long long)going,
                     (long long)waiting, LEDGER_CAPACITY);
    }
    assert_int_equal(
        pg_query_int64(database_url, "SELECT waiting FROM events WHERE event_id = 'queued'"),
        waiting);
}

void findings_compare(struct findings *findings, struct ledger *ledger, const char *database_url)
{
    find_rows(findings, ledger, database_url);
    for (size_t i = 0; i < ledger->client_count; i++) {
        struct ledger_client *client = &ledger->clients[i];
        for (size_t j = 0; j < LEDGER_PAIRS; j++) {
            struct ledger_pair *pair = &client->pairs[j];
            const bool is_in = findings->of[i][j] != FOUND_NOTHING;
            if (!ledger_may_be(pair, is_in)) {
                process_fail("%s %s %s: %s row, against the last acknowledged write",
                             pair->relation != NULL ? pair->relation->table : "kept answers",
                             pair->id, pair->user, is_in ? "there is a" : "there is no");
            }
            ledger_settle(client, pair, is_in, load_now_us());
        }
    }
    expect_counters_equal_rows(database_url);
    expect_seats_are_taken(database_url);
}
