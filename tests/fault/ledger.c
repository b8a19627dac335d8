/* What was asked of the service, what it answered, and what may be true now. */
#include "ledger.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    pair->states[pair->states_noted++ % LEDGER_STATES] = (struct ledger_state){now_us, possible};
    note_moment(client, pair, now_us);
}

static void name_pair(struct ledger_pair *pair, unsigned client, unsigned number)
{
    static const struct {
        const char *id; /* NULL: one of the client's own */
        const struct relation *relation;
    } places[LEDGER_PLACES] = {
        [LEDGER_OWN_EVENT] = {NULL, &relations[RELATION_RSVP]},
        [LEDGER_OWN_POST] = {NULL, &relations[RELATION_LIKE]},
        [LEDGER_HOT_EVENT] = {"hot", &relations[RELATION_RSVP]},
        [LEDGER_HOT_POST] = {"hot", &relations[RELATION_LIKE]},
        [LEDGER_FULL_EVENT] = {"full", &relations[RELATION_RSVP]},
        [LEDGER_QUEUED_EVENT] = {"queued", &relations[RELATION_RSVP]},
        [LEDGER_KEPT] = {"", NULL},
    };
    pair->place = (enum ledger_place)(number / LEDGER_USERS);
    pair->relation = places[pair->place].relation;
    pair->possible = LEDGER_OUT;
    if (places[pair->place].id == NULL) {
        snprintf(pair->id, sizeof pair->id, "own-%u", client);
    } else {
        snprintf(pair->id, sizeof pair->id, "%s", places[pair->place].id);
    }
    snprintf(pair->user, sizeof pair->user, "user-%u.%u", client, number % LEDGER_USERS);
}

struct ledger *ledger_create(unsigned client_count)
{
    assert(client_count <= LEDGER_CLIENTS_MAX);
    struct ledger *ledger = calloc(1, sizeof *ledger + client_count * sizeof ledger->clients[0]);
    ledger->client_count = client_count;
    for (unsigned i = 0; i < client_count; i++) {
        struct ledger_client *client = &ledger->clients[i];
        for (unsigned j = 0; j < LEDGER_PAIRS; j++) {
            struct ledger_pair *pair = &client->pairs[j];
            name_pair(pair, i, j);
            pair->things = pair->place <= LEDGER_OWN_POST ? &client->own[pair->place] : NULL;
            note_moment(client, pair, 0);
        }
    }
    return ledger;
}

static bool is_same_user(const struct ledger_pair *pair, const struct ledger_pair *other)
{
    return strcmp(pair->user, other->user) == 0;
}

/* What the write makes of the pair; 0: it does not touch it. */
static enum ledger_possible effect_on(const struct ledger_pair *pair,
                                      const struct ledger_write *write)
{
    if (!is_same_user(pair, write->pair)) {
        return 0;
    }
    if (write->kind == LEDGER_ERASE) {
        return LEDGER_OUT;
    }
    if (pair->place == LEDGER_KEPT) {
        return write->keyed ? LEDGER_IN : 0;
    }
    return pair != write->pair ? 0 : write->kind == LEDGER_JOIN ? LEDGER_IN : LEDGER_OUT;
}

/* What may be done yet, of what an erasure could not see. */
static enum ledger_possible late_of(const struct ledger_client *client,
                                    const struct ledger_pair *pair)
{
    enum ledger_possible late = pair->late;
    for (size_t i = 0; pair->place == LEDGER_KEPT && i < LEDGER_MEMBERSHIPS; i++) {
        const struct ledger_pair *other = &client->pairs[i];
        if (is_same_user(pair, other) && other->late != 0) {
            late |= LEDGER_IN;
        }
    }
    return late;
}

void ledger_write_asked(struct ledger_client *client, const struct ledger_write *write,
                        int64_t now_us)
{
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        struct ledger_pair *pair = &client->pairs[i];
        const enum ledger_possible effect = effect_on(pair, write);
        if (effect != 0) {
            pair->before = pair->possible;
            set_possible(client, pair, pair->possible | effect, now_us);
        }
    }
}

void ledger_write_acknowledged(struct ledger_client *client, const struct ledger_write *write,
                               int64_t now_us)
{
    if (write->kind != LEDGER_ERASE) {
        write->pair->late = 0;
    }
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        struct ledger_pair *pair = &client->pairs[i];
        enum ledger_possible effect = effect_on(pair, write);
        if (effect != 0) {
            effect |= write->kind == LEDGER_ERASE ? late_of(client, pair) : 0;
            set_possible(client, pair, effect, now_us);
        }
    }
}

void ledger_write_refused(struct ledger_client *client, const struct ledger_write *write,
                          int64_t now_us)
{
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        struct ledger_pair *pair = &client->pairs[i];
        if (effect_on(pair, write) != 0) {
            set_possible(client, pair, pair->before, now_us);
        }
    }
}

void ledger_write_unknown(struct ledger_client *client, const struct ledger_write *write,
                          int64_t rests_until_us)
{
    if (write->kind != LEDGER_ERASE) {
        write->pair->late |= effect_on(write->pair, write);
    }
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        struct ledger_pair *pair = &client->pairs[i];
        if (rests_until_us > pair->rests_until_us && effect_on(pair, write) != 0) {
            pair->rests_until_us = rests_until_us;
        }
    }
}

/* What could be true at some moment between the two. */
static enum ledger_possible possible_between(const struct ledger_pair *pair, int64_t from_us,
                                             int64_t until_us)
{
    const size_t kept = pair->states_noted < LEDGER_STATES ? pair->states_noted : LEDGER_STATES;
    enum ledger_possible possible = 0;
    for (size_t back = 1; back <= kept; back++) {
        const struct ledger_state *state =
            &pair->states[(pair->states_noted - back) % LEDGER_STATES];
        if (state->from_us <= until_us) {
            possible |= state->possible;
        }
        if (state->from_us <= from_us) {
            return possible;
        }
    }
    return pair->states_noted > LEDGER_STATES ? LEDGER_OPEN : possible | LEDGER_OUT;
}

void ledger_rewind(struct ledger_client *client, int64_t from_us, int64_t until_us,
                   int64_t since_us, int64_t now_us)
{
    enum ledger_possible restored[LEDGER_PAIRS];
    for (size_t i = 0; i < sizeof client->own / sizeof client->own[0]; i++) {
        struct ledger_things *things = &client->own[i];
        things->lost = things->history[(things->moments - 1) % LEDGER_HISTORY];
        things->lost.from_us = since_us + LEDGER_COUNT_BOUND_US;
    }
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        struct ledger_pair *pair = &client->pairs[i];
        pair->rests_until_us = 0;
        pair->late = 0;
        restored[i] = possible_between(pair, from_us, until_us);
        set_possible(client, pair, pair->possible | restored[i], since_us);
    }
    for (size_t i = 0; i < LEDGER_PAIRS; i++) {
        set_possible(client, &client->pairs[i], restored[i], now_us);
    }
}

void ledger_settle(struct ledger_client *client, struct ledger_pair *pair, bool is_in,
                   int64_t now_us)
{
    pair->rests_until_us = 0;
    pair->late = 0;
    set_possible(client, pair, is_in ? LEDGER_IN : LEDGER_OUT, now_us);
}

bool ledger_count_possible(const struct ledger_things *things, int64_t from_us, int64_t to_us,
                           int64_t count)
{
    int64_t until_us = INT64_MAX; /* when the moment ended */
    const struct ledger_moment *lost = &things->lost;
    if (from_us <= lost->from_us && count >= lost->least && count <= lost->most) {
        return true;
    }
    const size_t kept = things->moments < LEDGER_HISTORY ? things->moments : LEDGER_HISTORY;
    for (size_t back = 1; back <= kept; back++) {
        const struct ledger_moment *moment =
            &things->history[(things->moments - back) % LEDGER_HISTORY];
        if (until_us < from_us) {
            return false;
        }
        if (moment->from_us < to_us + 1000 && count >= moment->least && count <= moment->most) {
            return true;
        }
        until_us = moment->from_us;
    }
    return until_us >= from_us && things->moments > LEDGER_HISTORY;
}
