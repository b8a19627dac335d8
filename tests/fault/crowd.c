/* The clients under whose load faults happen. */
#include "crowd.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"
#include "load_relation.h"
#include "process.h"

enum {
    GRACE_US = 100000,          /* past the deadline */
    COUNT_AGE_MAX_US = 4000000, /* the fifth second is that of a shared cache */
    REST_US = 5000000,          /* longer than a dead process's sessions take to end */
    BEAT_MS = 5,
    STALL_US = 20000, /* a beat that comes so late */
    RECENT = 1 << 18, /* acknowledged writes whose time is kept */
    PAUSE_LOOK_MS = 10,
};

const char *const crowd_kind_names[CROWD_KINDS] = {"write", "look-up", "count", "erasure"};

struct latencies {
    uint32_t *us;
    size_t count;
    size_t capacity;
};

/* When success was back. Times are of requests and answers after the fault's end. */
struct recovery {
    int64_t failure_sent_us;     /* the last request that failed was sent then */
    int64_t success_sent_us;     /* the first one after it that succeeded */
    atomic_int_fast64_t back_us; /* the answer to that one; 0: none yet */
};

struct member {
    struct crowd *crowd;
    struct ledger_client *client;
    struct load_random random;
    int64_t due_us;
    unsigned port_index;
    struct ledger_pair *unfinished; /* of a user whose erasure is to be repeated; NULL: none */
    /* what is on its way */
    enum crowd_kind kind;
    enum crowd_phase phase;
    struct ledger_write write; /* of the others, the pair alone */
    bool exact;                /* a count of max_stale_ms=0 */
    int64_t stalled_us;        /* the crowd's, when it was asked */
};

struct crowd {
    struct load *load;
    struct ledger *ledger;
    struct member members[LEDGER_CLIENTS_MAX];
    atomic_uint ports[2];
    struct crowd_options options;
    int64_t pace_us; /* between two requests of a client */
    atomic_int phase;
    atomic_int_fast64_t end_us; /* of the fault; 0: not yet */
    struct recovery recoveries[CROWD_KINDS];
    struct crowd_report report;
    int64_t last_write_us; /* acknowledged; at first, the start */
    int64_t paused_us;     /* since when nothing is on its way, in a pause */
    struct latencies latencies[CROWD_PHASES][CROWD_KINDS];
    pthread_t heart;
    atomic_bool heart_ends;
    atomic_int_fast64_t stalled_us;    /* all told: how long this machine gave us no processor */
    atomic_int_fast64_t last_stall_us; /* when it did so last; 0: it has not */
    atomic_bool pauses;
    atomic_uint on_way;     /* requests without an answer yet */
    int64_t recent[RECENT]; /* when writes were acknowledged: a ring */
    size_t acknowledged;    /* how many have been put into it */
};

/* ---- what is asked ---- */

static unsigned port_of(const struct member *member)
{
    const unsigned port = atomic_load(&member->crowd->ports[member->port_index % 2]);
    return port != 0 ? port : atomic_load(&member->crowd->ports[0]);
}

static enum crowd_kind choose_kind(struct member *member)
{
    if (member->unfinished != NULL && load_random_below(&member->random, 4) == 0) {
        return CROWD_ERASE;
    }
    const unsigned dice = load_random_below(&member->random, 50);
    return dice < 30   ? CROWD_WRITE
           : dice < 40 ? CROWD_LOOKUP
           : dice < 49 ? CROWD_COUNT
                       : CROWD_ERASE;
}

static struct ledger_pair *choose_pair(struct member *member)
{
    struct ledger_pair *pair;
    do {
        pair = &member->client->pairs[load_random_below(&member->random, LEDGER_MEMBERSHIPS)];
    } while (member->kind == CROWD_COUNT && pair->things == NULL);
    return pair;
}

/* Thirty in fifty are writes, ten look-ups, nine counts, one is an erasure. That is sent again
 * until it is complete, as its answers ask for, with other requests in between. */
static void choose(struct member *member, int64_t now_us)
{
    struct ledger_write *write = &member->write;
    member->kind = choose_kind(member);
    member->exact = load_random_below(&member->random, 2) == 0;
    write->pair = choose_pair(member);
    write->kind = load_random_below(&member->random, 2) == 0 ? LEDGER_JOIN : LEDGER_LEAVE;
    write->keyed = member->kind == CROWD_WRITE && load_random_below(&member->random, 8) == 0;
    if (member->kind == CROWD_WRITE && write->pair->rests_until_us > now_us) {
        member->kind = CROWD_LOOKUP;
    } else if (member->kind == CROWD_ERASE) {
        write->kind = LEDGER_ERASE;
        write->pair = member->unfinished != NULL ? member->unfinished : write->pair;
        member->unfinished = write->pair;
    }
}

/* Its key is one that the user has not used. */
static void ask_write(const struct member *member, struct load_request *request, uint16_t port,
                      int64_t now_us)
{
    const struct ledger_write *write = &member->write;
    const struct ledger_pair *pair = write->pair;
    load_ask_write(request, port, pair->relation, write->kind == LEDGER_JOIN, pair->id, pair->user);
    if (write->keyed) {
        snprintf(request->key, sizeof request->key, "%lld", (long long)now_us);
    }
}

static enum load_step next_request(struct load *load, void *context, struct load_request *request)
{
    struct member *member = context;
    struct crowd *crowd = member->crowd;
    const int64_t now_us = load_now_us();
    (void)load;
    atomic_fetch_add(&crowd->on_way, 1); /* before the look: whoever pauses sees one or the other */
    if (now_us < member->due_us || atomic_load(&crowd->pauses)) {
        atomic_fetch_sub(&crowd->on_way, 1);
        return LOAD_WAIT;
    }
    member->due_us = now_us - member->due_us > crowd->pace_us ? now_us + crowd->pace_us
                                                              : member->due_us + crowd->pace_us;
    member->phase = (enum crowd_phase)atomic_load(&crowd->phase);
    member->stalled_us = atomic_load(&crowd->stalled_us);
    choose(member, now_us);
    const struct ledger_pair *pair = member->write.pair;
    const uint16_t port = (uint16_t)port_of(member);
    switch (member->kind) {
    case CROWD_WRITE:
        ledger_write_asked(member->client, &member->write, now_us);
        ask_write(member, request, port, now_us);
        break;
    case CROWD_ERASE:
        ledger_write_asked(member->client, &member->write, now_us);
        load_ask_erasure(request, port, pair->user);
        break;
    case CROWD_LOOKUP:
        load_ask_member(request, port, pair->relation, pair->id, pair->user);
        break;
    default:
        load_ask_count(request, port, pair->relation, pair->id, member->exact ? 0 : -1);
    }
    return LOAD_SEND;
}

/* ---- what was answered ---- */

static void note_latency(struct crowd *crowd, const struct member *member, int64_t latency_us)
{
    struct latencies *latencies = &crowd->latencies[member->phase][member->kind];
    if (latencies->count == latencies->capacity) {
        latencies->capacity = latencies->capacity > 0 ? 2 * latencies->capacity : 1024;
        latencies->us = realloc(latencies->us, latencies->capacity * sizeof *latencies->us);
    }
    latencies->us[latencies->count++] = (uint32_t)latency_us;
}

static void note_result(struct crowd *crowd, enum crowd_kind kind, const struct load_answer *answer,
                        bool success)
{
    struct recovery *recovery = &crowd->recoveries[kind];
    const int64_t end_us = atomic_load(&crowd->end_us);
    if (end_us == 0 || answer->sent_us < recovery->failure_sent_us) {
        return;
    }
    if (!success) {
        recovery->failure_sent_us = answer->sent_us;
        if (recovery->success_sent_us <= answer->sent_us) {
            atomic_store(&recovery->back_us, 0);
        }
    } else if (answer->received_us >= end_us && atomic_load(&recovery->back_us) == 0) {
        recovery->success_sent_us = answer->sent_us;
        atomic_store(&recovery->back_us, answer->received_us);
    }
}

/* While this program got no processor the service may have got none either: that is not its delay.
 */
static void check_deadline(struct crowd *crowd, const struct member *member,
                           const struct load_answer *answer)
{
    const int64_t late_us = answer->received_us - answer->sent_us -
                            (int64_t)crowd->options.deadline_ms * 1000 -
                            (atomic_load(&crowd->stalled_us) - member->stalled_us);
    if (late_us > crowd->report.worst_late_us) {
        crowd->report.worst_late_us = late_us;
    }
}

static bool is_full(const struct load_exchange *exchange)
{
    const json_t *code = json_object_get(exchange->answer->json, "code");
    return exchange->answer->status == 409 && json_is_string(code) &&
           strcmp(json_string_value(code), "event-full") == 0;
}

static bool read_write(const struct load_exchange *exchange, const struct member *member,
                       struct load_write *write)
{
    const struct ledger_pair *pair = member->write.pair;
    const bool join = member->write.kind == LEDGER_JOIN;
    return pair->place == LEDGER_QUEUED_EVENT
               ? load_read_queued_write(exchange, join, pair->id, pair->user, write)
               : load_read_write(exchange, pair->relation, join, pair->id, pair->user, write);
}

static bool has_seats(const struct ledger_pair *pair)
{
    return pair->place == LEDGER_FULL_EVENT || pair->place == LEDGER_QUEUED_EVENT;
}

static void take_write(const struct load_exchange *exchange, struct member *member)
{
    const struct ledger_pair *pair = member->write.pair;
    const bool join = member->write.kind == LEDGER_JOIN;
    const int64_t now_us = exchange->answer->received_us;
    struct load_write write;
    if (pair->place == LEDGER_FULL_EVENT && join && is_full(exchange)) {
        if (pair->before == LEDGER_IN) {
            load_exchange_violation(exchange, "refused, and was in before");
        }
        ledger_write_refused(member->client, &member->write, now_us);
    } else if (read_write(exchange, member, &write)) {
        /* A write that was sent again may find its own work done, but none changes what was so. */
        if (write.changed && pair->before == (join ? LEDGER_IN : LEDGER_OUT)) {
            load_exchange_violation(exchange, "changed what an acknowledged write had made so");
        }
        if (has_seats(pair) && write.count > LEDGER_CAPACITY) {
            load_exchange_violation(exchange, "more than there are seats");
        }
        ledger_write_acknowledged(member->client, &member->write, now_us);
    }
}

/* Whether it is complete. */
static bool take_erasure(const struct load_exchange *exchange, struct member *member)
{
    bool complete;
    if (!load_read_erasure(exchange, member->write.pair->user, &complete)) {
        return false;
    }
    if (complete) {
        ledger_write_acknowledged(member->client, &member->write, exchange->answer->received_us);
        member->unfinished = NULL;
    } else {
        ledger_write_unknown(member->client, &member->write, 0);
    }
    return complete;
}

static void take_lookup(const struct load_exchange *exchange, const struct member *member)
{
    const struct ledger_pair *pair = member->write.pair;
    bool is_in;
    const bool good =
        pair->place == LEDGER_QUEUED_EVENT
            ? load_read_queued_member(exchange, pair->id, pair->user, &is_in)
            : load_read_member(exchange, pair->relation, pair->id, pair->user, &is_in);
    if (good && !ledger_may_be(pair, is_in)) {
        load_exchange_violation(exchange, "the last acknowledged write says otherwise");
    }
}

/* PostgreSQL reads its clock and then takes its snapshot. Where it stands still in between, the
 * count is that of a later moment than as_of: allowed where this machine gave us no processor. */
static int64_t latest_as_of(struct crowd *crowd, const struct load_answer *answer, int64_t as_of_us)
{
    return atomic_load(&crowd->last_stall_us) >= as_of_us ? answer->received_us : as_of_us;
}

/* Whether it is fresh. */
static bool take_count(const struct load_exchange *exchange, const struct member *member)
{
    const struct load_answer *answer = exchange->answer;
    const struct ledger_pair *pair = member->write.pair;
    struct load_count count;
    if (!load_read_count(exchange, pair->relation, pair->id, &count)) {
        return false;
    }
    if (member->crowd->options.tolerated & CROWD_OLD_CLOCK) {
        return !count.stale;
    }
    if (!count.stale && answer->sent_us - count.as_of_us > COUNT_AGE_MAX_US) {
        load_exchange_violation(exchange, "older than its bound and not stale");
    }
    if (!count.stale && member->exact && count.as_of_us + 1000 < answer->sent_us) {
        load_exchange_violation(exchange, "max_stale_ms=0 served from before the request");
    }
    if (!ledger_count_possible(pair->things, count.as_of_us,
                               latest_as_of(member->crowd, answer, count.as_of_us), count.count)) {
        load_exchange_violation(exchange, "the count was never this at its as_of");
    }
    return !count.stale;
}

static bool is_write(const struct member *member)
{
    return member->kind == CROWD_WRITE || member->kind == CROWD_ERASE;
}

/* Nobody says what was done. */
static bool is_lost(const struct crowd *crowd, const struct load_answer *answer)
{
    const bool is_gateways = answer->status >= 502 && answer->status <= 504 && answer->json == NULL;
    return answer->status == 0 || (is_gateways && (crowd->options.tolerated & CROWD_BALANCER));
}

static void take_failure(const struct load_exchange *exchange, struct member *member,
                         enum load_refusal refusal)
{
    struct crowd *crowd = member->crowd;
    struct crowd_figures *figures = &crowd->report.figures[member->phase][member->kind];
    const struct load_answer *answer = exchange->answer;
    const bool lost = is_lost(crowd, answer);
    /* What was asked before the fault may be answered under it. */
    const bool in_fault = atomic_load(&crowd->phase) >= CROWD_DURING;
    if (!in_fault || !(crowd->options.tolerated & (lost ? CROWD_LOSSES : CROWD_REFUSALS))) {
        load_exchange_violation(exchange, "a request failed that no fault excuses");
    }
    if (refusal == REFUSAL_UNKNOWN && member->kind != CROWD_WRITE) {
        load_exchange_violation(exchange, "of unknown outcome, and no write of a membership");
    } else if (is_write(member) && refusal == REFUSAL_UNDONE) {
        ledger_write_refused(member->client, &member->write, answer->received_us);
    } else if (is_write(member)) {
        ledger_write_unknown(member->client, &member->write,
                             lost ? answer->received_us + REST_US : 0);
    }
    figures->refused += refusal == REFUSAL_UNDONE;
    figures->unknown += refusal != REFUSAL_UNDONE;
    figures->failed_own += member->kind != CROWD_ERASE && member->write.pair->things != NULL;
    if (lost) { /* the way of a load balancer: the other one is asked next */
        member->port_index++;
    }
}

/* Whether it is; else it is noted what it is instead. */
static bool take_success(const struct load_exchange *exchange, struct member *member,
                         struct crowd_figures *figures)
{
    bool success = true;
    switch (member->kind) {
    case CROWD_WRITE:
        take_write(exchange, member);
        break;
    case CROWD_LOOKUP:
        take_lookup(exchange, member);
        break;
    case CROWD_ERASE:
        success = take_erasure(exchange, member);
        figures->unknown += !success;
        break;
    default:
        success = take_count(exchange, member);
        figures->stale += !success;
    }
    return success;
}

/* No write was acknowledged between the last one and until_us. */
static void note_silence(struct crowd *crowd, int64_t until_us)
{
    struct crowd_silence *longest = &crowd->report.silences[atomic_load(&crowd->phase)];
    if (until_us - crowd->last_write_us > longest->until_us - longest->from_us) {
        *longest = (struct crowd_silence){crowd->last_write_us, until_us};
    }
}

/* Erasures do not count: one can be complete while nobody can join. */
static void note_write(struct crowd *crowd, int64_t received_us)
{
    note_silence(crowd, received_us);
    crowd->last_write_us = received_us;
    crowd->recent[crowd->acknowledged++ % RECENT] = received_us;
    crowd->report.last_write_us[atomic_load(&crowd->phase)] = received_us;
}

static void on_answer(const struct load_exchange *exchange, void *context)
{
    struct member *member = context;
    struct crowd *crowd = member->crowd;
    const struct load_answer *answer = exchange->answer;
    const enum load_refusal refusal = load_read_refusal(answer);
    struct crowd_figures *figures = &crowd->report.figures[member->phase][member->kind];
    const bool refused = is_lost(crowd, answer) || refusal != REFUSAL_NONE;
    bool success = false;
    load_note_progress(exchange->load);
    answers_add(&figures->answers, answer->status,
                json_string_value(json_object_get(answer->json, "code")));
    check_deadline(crowd, member, answer);
    if (refused) {
        take_failure(exchange, member, refusal);
    } else {
        success = take_success(exchange, member, figures);
    }
    figures->acknowledged += success;
    if (success && member->kind == CROWD_WRITE) {
        note_write(crowd, answer->received_us);
    }
    if (success && (member->kind == CROWD_ERASE || member->write.pair->things != NULL)) {
        note_latency(crowd, member, answer->received_us - answer->sent_us);
    }
    if (success || member->kind != CROWD_ERASE || refused) { /* an incomplete one has not failed */
        note_result(crowd, member->kind, answer, success);
    }
    atomic_fetch_sub(&crowd->on_way, 1);
}

/* ---- the side of the test ---- */

/* Beats on the clock, and notes by how much it could not. */
static void *beat(void *context)
{
    struct crowd *crowd = context;
    int64_t last_us = load_now_us();
    while (!atomic_load(&crowd->heart_ends)) {
        nanosleep(&(struct timespec){.tv_nsec = BEAT_MS * 1000000L}, NULL);
        const int64_t now_us = load_now_us();
        if (now_us - last_us > STALL_US) {
            atomic_fetch_add(&crowd->stalled_us, now_us - last_us);
            atomic_store(&crowd->last_stall_us, now_us);
        }
        last_us = now_us;
    }
    return NULL;
}

struct crowd *crowd_start(struct ledger *ledger, const struct crowd_options *options)
{
    static const struct load_behaviour behaviour = {next_request, on_answer};
    struct crowd *crowd = calloc(1, sizeof *crowd);
    const int64_t now_us = load_now_us();
    crowd->options = *options;
    crowd->ledger = ledger;
    crowd->pace_us = (int64_t)ledger->client_count * 1000000 / options->rate_per_s;
    crowd->last_write_us = now_us;
    crowd->report.worst_late_us = INT64_MIN;
    crowd->load = load_create();
    for (unsigned i = 0; i < 2; i++) {
        crowd_set_port(crowd, i, options->ports[i]);
    }
    for (unsigned i = 0; i < ledger->client_count; i++) {
        crowd->members[i] = (struct member){
            .crowd = crowd,
            .client = &ledger->clients[i],
            .random = load_random_stream(i),
            .due_us = now_us + i * crowd->pace_us / ledger->client_count,
            .port_index = i,
        };
        load_add_client(crowd->load, &behaviour, &crowd->members[i]);
    }
    if (options->certificate_path != NULL) {
        load_use_tls(crowd->load, options->certificate_path);
    }
    if (options->header != NULL) {
        load_add_header(crowd->load, options->header);
    }
    if (pthread_create(&crowd->heart, NULL, beat, crowd) != 0) {
        process_fail("no thread for the heart");
    }
    load_start(crowd->load);
    return crowd;
}

void crowd_set_phase(struct crowd *crowd, enum crowd_phase phase)
{
    atomic_store(&crowd->phase, phase);
}

void crowd_note_end(struct crowd *crowd)
{
    atomic_store(&crowd->end_us, load_now_us());
    crowd_set_phase(crowd, CROWD_AFTER);
}

int crowd_back_ms(const struct crowd *crowd, enum crowd_kind kind)
{
    const int64_t back_us = atomic_load(&crowd->recoveries[kind].back_us);
    return back_us == 0 ? -1 : (int)((back_us - atomic_load(&crowd->end_us)) / 1000);
}

void crowd_pause(struct crowd *crowd)
{
    atomic_store(&crowd->pauses, true);
    while (atomic_load(&crowd->on_way) > 0 && !crowd_has_ended(crowd)) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_LOOK_MS * 1000000L}, NULL);
    }
    crowd->paused_us = load_now_us();
}

void crowd_resume(struct crowd *crowd)
{
    atomic_store(&crowd->pauses, false);
}

unsigned crowd_rewind(struct crowd *crowd, int64_t from_us, int64_t until_us)
{
    unsigned after = 0;
    for (unsigned i = 0; i < crowd->ledger->client_count; i++) {
        ledger_rewind(&crowd->ledger->clients[i], from_us, until_us, crowd->paused_us,
                      load_now_us());
    }
    const size_t kept = crowd->acknowledged < RECENT ? crowd->acknowledged : RECENT;
    for (size_t back = 1; back <= kept; back++) {
        after += crowd->recent[(crowd->acknowledged - back) % RECENT] > from_us;
    }
    return after;
}

int64_t crowd_last_write_us(const struct crowd *crowd)
{
    return crowd->last_write_us;
}

void crowd_set_port(struct crowd *crowd, unsigned index, uint16_t port)
{
    atomic_store(&crowd->ports[index], port);
}

static int compare_us(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

static void summarise(struct crowd *crowd, enum crowd_phase phase, enum crowd_kind kind)
{
    struct latencies *latencies = &crowd->latencies[phase][kind];
    struct crowd_figures *figures = &crowd->report.figures[phase][kind];
    if (latencies->count > 0) {
        qsort(latencies->us, latencies->count, sizeof *latencies->us, compare_us);
        figures->p50_us = latencies->us[latencies->count / 2];
        figures->p99_us = latencies->us[latencies->count * 99 / 100];
    }
}

void crowd_finish(struct crowd *crowd, struct crowd_report *report)
{
    load_finish(crowd->load);
    for (enum crowd_phase phase = 0; phase < CROWD_PHASES; phase++) {
        for (enum crowd_kind kind = 0; kind < CROWD_KINDS; kind++) {
            summarise(crowd, phase, kind);
        }
    }
    note_silence(crowd, load_now_us());
    crowd->report.stalled_us = atomic_load(&crowd->stalled_us);
    *report = crowd->report;
}

bool crowd_has_ended(const struct crowd *crowd)
{
    return load_is_done(crowd->load);
}

void crowd_destroy(struct crowd **pointer)
{
    struct crowd *crowd = *pointer;
    if (crowd == NULL) {
        return;
    }
    *pointer = NULL;
    load_destroy(&crowd->load);
    atomic_store(&crowd->heart_ends, true);
    pthread_join(crowd->heart, NULL);
    for (unsigned phase = 0; phase < CROWD_PHASES; phase++) {
        for (unsigned kind = 0; kind < CROWD_KINDS; kind++) {
            free(crowd->latencies[phase][kind].us);
        }
    }
    free(crowd);
}
