/* Redis for one worker.
 *
 * DESIGN: Redis is optional. Whatever it does, it may cost a request at most COMMAND_TIMEOUT_US. If
 * a command is refused or not answered in time, the connection is closed, which ends all its
 * commands, and the breaker delays the next attempt. Counts then come from Postgres. Reading alone
 * is not worth a connection: counts in Redis expire within seconds, so a Redis that accepts no new
 * ones (a read-only replica, a full one) is as good as none. So a connection is up once a probe has
 * published a count and read it, under a key of its own. The probe is repeated when it idles.
 *
 * What a sentinel tells may be out of date, and a replica may take writes. So where sentinels are
 * asked, a connection is up only if the server calls itself a primary. */
#include "rsvpd/store/redis_store.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/random.h"
#include "rsvpd/domain/breaker.h"
#include "rsvpd/store/redis_address.h"
#include "rsvpd/store/redis_counts.h"
#include "rsvpd/store/redis_link.h"
#include "rsvpd/store/redis_rates.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    COMMAND_TIMEOUT_US = 50 * 1000,
    CONNECT_TIMEOUT_US = 1000 * 1000,
    BACKOFF_MIN_US = 100 * 1000,
    BACKOFF_MAX_US = 2000 * 1000,
    PROBE_AFTER_US = 1000 * 1000,  /* of idling */
    PROVEN_AFTER_US = 1500 * 1000, /* a connection that lasts so long works */
    READS_MAX = 16,                /* in flight */
    EXCHANGES_MAX = 4,             /* of shares of rates, in flight */
    VALUE_FRAMING_SIZE_BYTES = 8,  /* what RESP2 puts around a value of a list */
};
static_assert(READS_MAX + EXCHANGES_MAX < REDIS_COMMANDS_MAX,
              "reads and exchanges leave room for a publication");
static_assert(REDIS_COUNTS_MAX * (REDIS_VALUE_SIZE_BYTES + VALUE_FRAMING_SIZE_BYTES) <
                  REDIS_ANSWER_SIZE_MAX_BYTES,
              "the values of the largest read fit an answer");

/* A read in flight. */
struct redis_read {
    struct redis_store *store;
    bool in_use;
    size_t size;
    struct redis_count entries[REDIS_COUNTS_MAX];
};

/* An exchange of shares in flight. */
struct exchange {
    struct redis_store *store;
    bool in_use;
    size_t size;
    struct rate_share shares[REDIS_RATES_MAX];
};

struct redis_store {
    struct redis_store_setup setup;
    struct redis_counts_listener listener;
    struct redis_counts_port port;
    struct redis_rates_listener rates_listener;
    struct redis_rates_port rates_port;
    enum redis_state state; /* changed by store_change_state alone */
    struct redis_address *address;
    struct redis_link *link; /* NULL while there is none */
    struct breaker breaker;
    struct random random;
    bool closing;
    bool is_primary;      /* as it answered to ROLE */
    const char *reported; /* what the log was last told: why it is unavailable, or NULL */
    int64_t timeout_us;   /* while connecting; monotonic */
    int64_t up_us;        /* since when it is up; monotonic */
    bool late;            /* the last tick found a command past its time; if the loop was late
                           * itself, the answer is there by the next */
    int64_t used_us;      /* the last answer */
    int64_t latency_us;
    uint64_t probe; /* the probe's key, this store's alone */
    struct redis_read reads[READS_MAX];
    struct exchange exchanges[EXCHANGES_MAX];
};

/* ---- states ---- */

/* changes[from][to]. */
static const bool changes[REDIS_STATE_COUNT][REDIS_STATE_COUNT] = {
    [REDIS_DOWN] = {[REDIS_FINDING] = true},
    [REDIS_FINDING] = {[REDIS_CONNECTING] = true, [REDIS_DOWN] = true},
    [REDIS_CONNECTING] = {[REDIS_UP] = true, [REDIS_DOWN] = true},
    [REDIS_UP] = {[REDIS_DOWN] = true},
};

bool redis_store_may_change(enum redis_state from, enum redis_state to)
{
    assert(from < REDIS_STATE_COUNT && to < REDIS_STATE_COUNT);
    return changes[from][to];
}

static void store_change_state(struct redis_store *store, enum redis_state state)
{
    assert(redis_store_may_change(store->state, state));
    store->state = state;
}

static bool port_available(void *store_)
{
    const struct redis_store *store = store_;
    return store->state == REDIS_UP;
}

/* Logs that Redis is unavailable, once for each new reason, or (NULL) that it is back. */
static void report(struct redis_store *store, const char *reason)
{
    bool known = reason == NULL || store->reported == NULL ? reason == store->reported
                                                           : strcmp(reason, store->reported) == 0;
    if (known || store->closing) {
        return;
    }
    store->reported = reason;
    if (reason == NULL) {
        log_event(LOG_INFO, "redis is available");
    } else {
        log_event(LOG_WARN, "redis is unavailable, counts come from postgres",
                  LOG_CSTR("reason", reason));
    }
}

/* Closes the connection, which ends every command as lost. `reason` is a constant. */
static void give_up(struct redis_store *store, const char *reason, int64_t now_us)
{
    if (store->state == REDIS_CONNECTING) {
        redis_address_distrust(store->address);
    }
    store_change_state(store, REDIS_DOWN);
    breaker_failure(&store->breaker, now_us, random_next(&store->random));
    report(store, reason);
    if (store->link != NULL) {
        redis_link_close(&store->link);
    }
}

/* ---- commands ---- */

/* Notes how a command ended. A refusal closes the connection. */
static void note_outcome(struct redis_store *store, const struct redis_answer *answer)
{
    if (answer->outcome == REDIS_LOST) {
        return;
    }
    store->used_us = clock_mono_us();
    store->latency_us = store->used_us - answer->sent_us;
    metrics_observe(store->setup.metrics, HISTOGRAM_LATENCY_REDIS, (uint64_t)store->latency_us);
    if (answer->outcome == REDIS_REFUSED) {
        give_up(store, answer->refusal, store->used_us);
    }
}

static bool send_words(struct redis_store *store, struct redis_command command,
                       struct redis_words *words)
{
    command.sent_us = clock_mono_us();
    return redis_link_send(store->link, &command, words->count, words->at, words->sizes);
}

/* ---- counts ---- */

static void parse_count(void *read_, size_t place, struct slice value)
{
    struct redis_read *read = read_;
    assert(place < read->size);
    struct redis_count *entry = &read->entries[place];
    entry->found = redis_decode_value(value, &entry->count);
}

static void read_ended(void *read_, const struct redis_answer *answer)
{
    struct redis_read *read = read_;
    struct redis_store *store = read->store;
    note_outcome(store, answer);
    for (size_t i = 0; i < read->size; i++) { /* a partial answer does not count */
        read->entries[i].found = read->entries[i].found && answer->outcome == REDIS_ANSWERED;
    }
    store->listener.read_ended(store->listener.service, read->entries, read->size, clock_now());
    read->in_use = false;
}

static bool port_read(void *store_, const struct redis_count *entries, size_t size,
                      struct instant now)
{
    assert(size > 0 && size <= REDIS_COUNTS_MAX);
    struct redis_store *store = store_;
    struct redis_read *read = store->reads;
    (void)now;
    while (read < store->reads + READS_MAX && read->in_use) {
        read++;
    }
    if (store->state != REDIS_UP || read == store->reads + READS_MAX) {
        return false;
    }
    struct redis_words words;
    redis_counts_write_read(&words, store->setup.namespace, entries, size);
    for (size_t i = 0; i < size; i++) {
        read->entries[i] = entries[i];
        read->entries[i].found = false;
    }
    read->store = store;
    read->size = size;
    read->in_use = send_words(
        store,
        (struct redis_command){
            .list_size = size, .on_value = parse_count, .on_end = read_ended, .data = read},
        &words);
    return read->in_use;
}

static void publish_ended(void *store, const struct redis_answer *answer)
{
    note_outcome(store, answer);
}

static bool port_publish(void *store_, const struct redis_count *entries, size_t size)
{
    assert(size > 0 && size <= REDIS_COUNTS_MAX);
    struct redis_store *store = store_;
    if (store->state != REDIS_UP) {
        return false;
    }
    struct redis_words words;
    redis_counts_write_publication(&words, store->setup.namespace, store->setup.ttl_ms, entries,
                                   size);
    return send_words(store, (struct redis_command){.on_end = publish_ended, .data = store},
                      &words);
}

/* ---- rates ---- */

static void parse_debts(void *exchange_, size_t place, struct slice value)
{
    struct exchange *exchange = exchange_;
    assert(place == 0);
    redis_rates_parse(value, exchange->shares, exchange->size);
}

static void exchange_ended(void *exchange_, const struct redis_answer *answer)
{
    struct exchange *exchange = exchange_;
    struct redis_store *store = exchange->store;
    note_outcome(store, answer);
    for (size_t i = 0; i < exchange->size; i++) { /* a partial answer does not count */
        struct rate_share *share = &exchange->shares[i];
        share->answered = share->answered && answer->outcome == REDIS_ANSWERED;
    }
    store->rates_listener.exchanged(store->rates_listener.sharing, exchange->shares, exchange->size,
                                    answer->sent_us, clock_mono_us());
    exchange->in_use = false;
}

static bool port_exchange(void *store_, const struct rate_share *shares, size_t size)
{
    assert(size > 0 && size <= REDIS_RATES_MAX);
    struct redis_store *store = store_;
    struct exchange *exchange = store->exchanges;
    while (exchange < store->exchanges + EXCHANGES_MAX && exchange->in_use) {
        exchange++;
    }
    if (store->state != REDIS_UP || exchange == store->exchanges + EXCHANGES_MAX) {
        return false;
    }
    struct redis_words words;
    if (!redis_rates_write(&words, store->setup.namespace, store->setup.rates_key, shares, size)) {
        return false;
    }
    memcpy(exchange->shares, shares, size * sizeof *shares);
    exchange->store = store;
    exchange->size = size;
    exchange->in_use = send_words(
        store,
        (struct redis_command){
            .list_size = 1, .on_value = parse_debts, .on_end = exchange_ended, .data = exchange},
        &words);
    return exchange->in_use;
}

/* ---- the probe ---- */

static void parse_nothing(void *store, size_t place, struct slice value)
{
    (void)store;
    (void)place;
    (void)value;
}

static void probe_ended(void *store_, const struct redis_answer *answer)
{
    struct redis_store *store = store_;
    note_outcome(store, answer);
    if (answer->outcome == REDIS_ANSWERED && store->state == REDIS_CONNECTING) {
        store_change_state(store, REDIS_UP);
        store->up_us = store->used_us;
        store->late = false;
    }
}

static bool send_count_probe(struct redis_store *store, struct redis_words *words)
{
    struct instant now = clock_now();
    const struct count count = {.version = now.mono_us, .as_of_wall_us = now.wall_us};
    redis_counts_write_probe_publication(words, store->setup.namespace, store->setup.ttl_ms,
                                         store->probe, &count);
    return send_words(store, (struct redis_command){.on_end = publish_ended, .data = store}, words);
}

static bool send_read_probe(struct redis_store *store, struct redis_words *words,
                            void (*on_end)(void *store, const struct redis_answer *answer))
{
    redis_counts_write_probe_read(words, store->setup.namespace, store->probe);
    return send_words(
        store,
        (struct redis_command){
            .list_size = 1, .on_value = parse_nothing, .on_end = on_end, .data = store},
        words);
}

/* A caller of the store's own who came never: so that a user who lacks a right for the exchange of
 * shares is noticed here. */
static bool send_rates_probe(struct redis_store *store, struct redis_words *words)
{
    const struct rate_share nobody = {.hash = store->probe};
    return redis_rates_write(words, store->setup.namespace, store->setup.rates_key, &nobody, 1) &&
           send_words(
               store,
               (struct redis_command){
                   .list_size = 1, .on_value = parse_nothing, .on_end = probe_ended, .data = store},
               words);
}

/* Publishes a count under the store's own key, newer than the last one, and reads it. Shares come
 * last: a right that reading lacks as well is reported as its own command's refusal, which says
 * more than that of a script. */
static bool send_probe(struct redis_store *store)
{
    bool rates = store->setup.rates_key != NULL;
    struct redis_words words;
    return send_count_probe(store, &words) &&
           send_read_probe(store, &words, rates ? publish_ended : probe_ended) &&
           (!rates || send_rates_probe(store, &words));
}

/* ---- connecting ---- */

static void note_setup_outcome(struct redis_store *store, const struct redis_answer *answer,
                               const char *words)
{
    struct redis_answer told = *answer;
    if (told.refusal == redis_refusal_unknown) {
        told.refusal = words;
    }
    note_outcome(store, &told);
}

static void auth_ended(void *store, const struct redis_answer *answer)
{
    note_setup_outcome(store, answer, "it refuses the user or password of REDIS_URL");
}

static void select_ended(void *store, const struct redis_answer *answer)
{
    note_setup_outcome(store, answer, "it refuses the database of REDIS_URL");
}

static bool send_auth(struct redis_store *store)
{
    const struct redis_url *url = redis_address_url(store->address);
    struct redis_words words;
    redis_words_begin(&words, "AUTH");
    if (url->user[0] != '\0') {
        redis_words_add(&words, slice_of(url->user));
    }
    redis_words_add(&words, slice_of(url->password));
    return send_words(store, (struct redis_command){.on_end = auth_ended, .data = store}, &words);
}

static bool send_select(struct redis_store *store)
{
    struct redis_words words;
    redis_words_begin(&words, "SELECT");
    redis_words_add_number(&words, redis_address_url(store->address)->database);
    return send_words(store, (struct redis_command){.on_end = select_ended, .data = store}, &words);
}

static void parse_role(void *store_, size_t place, struct slice value)
{
    struct redis_store *store = store_;
    assert(place == 0);
    store->is_primary = slice_equal(value, slice_of("master"));
}

static void role_ended(void *store_, const struct redis_answer *answer)
{
    struct redis_store *store = store_;
    note_setup_outcome(store, answer, redis_refusal_no_right);
    if (answer->outcome == REDIS_ANSWERED && !store->is_primary) {
        give_up(store, "it is no primary (ROLE), as a sentinel tells", clock_mono_us());
    }
}

static bool send_role(struct redis_store *store)
{
    struct redis_words words;
    redis_words_begin(&words, "ROLE");
    return send_words(store,
                      (struct redis_command){.list_size = 1,
                                             .list_is_open = true,
                                             .on_value = parse_role,
                                             .on_end = role_ended,
                                             .data = store},
                      &words);
}

static void on_opened(void *store_)
{
    struct redis_store *store = store_;
    const struct redis_url *url = redis_address_url(store->address);
    store->is_primary = false;
    bool sent = (url->password[0] == '\0' || send_auth(store)) &&
                (url->sentinel_count == 0 || send_role(store)) &&
                (url->database == 0 || send_select(store)) && send_probe(store);
    if (!sent) {
        give_up(store, "cannot send", clock_mono_us());
    }
}

static void on_failed(void *store, const char *reason)
{
    give_up(store, reason, clock_mono_us());
}

static void on_moved(void *store_)
{
    struct redis_store *store = store_;
    if (store->state == REDIS_UP) {
        give_up(store, "a sentinel tells that the primary is elsewhere", clock_mono_us());
    }
}

static void open_link(void *store_, const struct redis_link_target *target)
{
    struct redis_store *store = store_;
    const struct redis_link_owner owner = {store, on_opened, on_failed};
    const char *reason;
    int64_t now_us = clock_mono_us();
    if (store->closing) {
        store_change_state(store, REDIS_DOWN);
        return;
    }
    store->link = redis_link_open(store->setup.loop, target, &owner, &reason);
    store->timeout_us = now_us + CONNECT_TIMEOUT_US;
    store_change_state(store, REDIS_CONNECTING);
    if (store->link == NULL) {
        give_up(store, reason, now_us);
    }
}

static void start_connecting(struct redis_store *store)
{
    metrics_add(store->setup.metrics, METRIC_STORE_RECONNECTS_REDIS, 1);
    store_change_state(store, REDIS_FINDING);
    redis_address_find(store->address);
}

/* ---- life ---- */

struct redis_store *redis_store_create(const struct redis_store_setup *setup)
{
    assert(strlen(setup->namespace) < REDIS_NAMESPACE_SIZE_BYTES && setup->ttl_ms > 0);
    struct redis_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return NULL;
    }
    store->setup = *setup;
    const struct redis_address_owner owner = {store, open_link, on_failed, on_moved};
    store->address = redis_address_create(setup->loop, &setup->address, setup->metrics, &owner);
    if (store->address == NULL) {
        free(store);
        return NULL;
    }
    store->random.state = setup->random_seed;
    store->probe = random_next(&store->random);
    store->latency_us = -1;
    store->port = (struct redis_counts_port){
        .store = store, .available = port_available, .read = port_read, .publish = port_publish};
    store->rates_port = (struct redis_rates_port){
        .store = store, .available = port_available, .exchange = port_exchange};
    breaker_init(&store->breaker, BACKOFF_MIN_US, BACKOFF_MAX_US);
    return store;
}

void redis_store_listen(struct redis_store *store, const struct redis_counts_listener *listener)
{
    store->listener = *listener;
}

void redis_store_listen_to_rates(struct redis_store *store,
                                 const struct redis_rates_listener *listener)
{
    store->rates_listener = *listener;
}

const struct redis_rates_port *redis_store_rates_port(const struct redis_store *store)
{
    return &store->rates_port;
}

const struct redis_counts_port *redis_store_port(const struct redis_store *store)
{
    return &store->port;
}

/* Checks a connection that is up: is it still answered, and does it still accept counts? */
static void look_after(struct redis_store *store, int64_t now_us)
{
    assert(store->state == REDIS_UP && store->link != NULL);
    const struct redis_exchange *exchange = redis_link_exchange(store->link);
    bool idle = redis_exchange_size(exchange) == 0;
    bool late = !idle && now_us - redis_exchange_oldest_us(exchange) > COMMAND_TIMEOUT_US;
    if (late && store->late) {
        give_up(store, "no answer in time", now_us);
        return;
    }
    store->late = late;
    if (idle && now_us - store->used_us > PROBE_AFTER_US) {
        (void)send_probe(store); /* if it cannot be sent, the next command tells */
    }
    if (now_us - store->up_us > PROVEN_AFTER_US) {
        breaker_success(&store->breaker);
        report(store, NULL);
    }
}

void redis_store_tick(struct redis_store *store, struct instant now)
{
    switch (store->state) {
    case REDIS_DOWN:
        if (!store->closing && breaker_allows(&store->breaker, now.mono_us)) {
            start_connecting(store);
        }
        break;
    case REDIS_FINDING: /* ends by itself; the resolver has time-outs of its own, sentinels below */
        break;
    case REDIS_CONNECTING:
        if (now.mono_us > store->timeout_us) {
            give_up(store, "no connection in time", now.mono_us);
        }
        break;
    case REDIS_UP:
        redis_address_check(store->address, now.mono_us);
        look_after(store, now.mono_us);
        break;
    case REDIS_STATE_COUNT:
        break;
    }
    redis_address_tick(store->address, now.mono_us);
    metrics_set(store->setup.metrics, METRIC_UP_REDIS, store->state == REDIS_UP);
}

struct dependency_state redis_store_state(const struct redis_store *store)
{
    return (struct dependency_state){
        .configured = true, .up = store->state == REDIS_UP, .latency_us = store->latency_us};
}

void redis_store_close(struct redis_store *store)
{
    store->closing = true;
    redis_address_close(store->address);
    if (store->link != NULL) {
        give_up(store, "", clock_mono_us());
    }
}

void redis_store_destroy(struct redis_store **store)
{
    if (*store != NULL) {
        redis_address_destroy(&(*store)->address);
        free(*store);
        *store = NULL;
    }
}
