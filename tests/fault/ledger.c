/* What was asked of the service, what it answered, and what may be true now. */
#include "ledger.h"

#include <stdio.h>
#include <stdlib.h>

static void note_moment(struct ledger_client *client, const struct ledger_pair *pair,
                        int64_t now_us)
{
    struct ledger_things *things = pair->things;
    if (things == NULL) {
        return;
    }
    struct ledger_moment moment = {.from_us = now_us};
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        const struct ledger_pair *other = &client->pairs[i];
        if (other->things == things) {
            moment.least += other->possible == LEDGER_IN;
            moment.most += ledger_may_be(other, true);
        }
    }
    things->history[things->moments++ % LEDGER_HISTORY] = moment;
}

static void set_possible(struct ledger_client *client, struct ledger_pair *pair,
                         enum ledger_possible possible, int64_t now_us)
{
    pair->possible = possible;
    note_moment(client, pair, now_us);
}

static void name_pair(struct ledger_pair *pair, unsigned client, unsigned number)
{
    static const struct {
        const char *id; /* NULL: one of the client's own */
        unsigned relation;
    } places[LEDGER_PLACES] = {
        [LEDGER_OWN_EVENT] = {NULL, RELATION_RSVP},    [LEDGER_OWN_POST] = {NULL, RELATION_LIKE},
        [LEDGER_HOT_EVENT] = {"hot", RELATION_RSVP},   [LEDGER_HOT_POST] = {"hot", RELATION_LIKE},
        [LEDGER_FULL_EVENT] = {"full", RELATION_RSVP},
    };
    pair->place = (enum ledger_place)(number / LEDGER_USERS);
    pair->relation = &relations[places[pair->place].relation];
    pair->possible = LEDGER_OUT;
    if (places[pair->place].id == NULL) {
        snprintf(pair->id, sizeof pair->id, "own-%u", client);
    } else {
        snprintf(pair->id, sizeof pair->id, "%s", places[pair->place].id);
    }
    snprintf(pair->user, sizeof pair->user, "user-%u.%u", client, number % LEDGER_USERS);
}

struct ledger *ledger_create(int64_t now_us)
{
    struct ledger *ledger = calloc(1, sizeof *ledger);
    for (unsigned i = 0; i < LEDGER_CLIENTS; i++) {
        struct ledger_client *client = &ledger->clients[i];
        for (unsigned j = 0; j < LEDGER_PAIRS; j++) {
            struct ledger_pair *pair = &client->pairs[j];
            name_pair(pair, i, j);
            pair->things = pair->place <= LEDGER_OWN_POST ? &client->own[pair->place] : NULL;
            note_moment(client, pair, now_us);
        }
    }
    return ledger;
}

void ledger_write_asked(struct ledger_client *client, struct ledger_pair *pair, bool join,
                        int64_t now_us)
{
    pair->before = pair->possible;
    set_possible(client, pair, pair->possible | (join ? LEDGER_IN : LEDGER_OUT), now_us);
}

void ledger_write_acknowledged(struct ledger_client *client, struct ledger_pair *pair, bool join,
                               int64_t now_us)
{
    set_possible(client, pair, join ? LEDGER_IN : LEDGER_OUT, now_us);
}

void ledger_write_refused(struct ledger_client *client, struct ledger_pair *pair, int64_t now_us)
{
    set_possible(client, pair, pair->before, now_us);
}

void ledger_settle(struct ledger_client *client, struct ledger_pair *pair, bool is_in,
                   int64_t now_us)
{
    pair->rests_until_us = 0;
    set_possible(client, pair, is_in ? LEDGER_IN : LEDGER_OUT, now_us);
}

bool ledger_count_possible(const struct ledger_things *things, int64_t as_of_us, int64_t count)
{
    int64_t until_us = INT64_MAX; /* when the moment ended */
    const size_t kept = things->moments < LEDGER_HISTORY ? things->moments : LEDGER_HISTORY;
    for (size_t back = 1; back <= kept; back++) {
        const struct ledger_moment *moment =
            &things->history[(things->moments - back) % LEDGER_HISTORY];
        if (until_us < as_of_us) {
            return false;
        }
        if (moment->from_us < as_of_us + 1000 && count >= moment->least && count <= moment->most) {
            return true;
        }
        until_us = moment->from_us;
    }
    return until_us >= as_of_us && things->moments > LEDGER_HISTORY;
}
