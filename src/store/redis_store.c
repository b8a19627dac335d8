/* Redis for one worker.
 *
 * DESIGN: Redis is a convenience: whatever it does, it may cost a request no more than
 * COMMAND_TIMEOUT_US. A command that is not answered in time closes the connection, which ends all
 * others on it, and the breaker keeps everybody from trying again for a while. Counts then come
 * from Postgres. Answers come in the order of the commands, so the times at which commands were
 * sent are a ring. */
#include "rsvpd/store/redis_store.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/random.h"
#include "rsvpd/domain/breaker.h"
#include "rsvpd/store/redis_codec.h"
#include "rsvpd/store/redis_poll.h"

#include <assert.h>
#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    COMMAND_TIMEOUT_US = 50 * 1000,
    CONNECT_TIMEOUT_US = 1000 * 1000,
    BACKOFF_MIN_US = 100 * 1000,
    BACKOFF_MAX_US = 2000 * 1000,
    PING_AFTER_US = 1000 * 1000, /* of idling */
    COMMANDS_MAX = 64,           /* unanswered at a time */
    READS_MAX = 16,              /* of which reads */
    REASON_SIZE_BYTES = 160,
};

enum redis_state {
    REDIS_DOWN,
    REDIS_RESOLVING,  /* the host's name */
    REDIS_CONNECTING, /* until the answer to a first PING is here */
    REDIS_UP
};

/* A read under way. */
struct redis_read {
    struct redis_store *store;
    bool in_use;
    size_t size;
    struct shared_count entries[SHARED_COUNTS_MAX];
};

struct redis_store {
    struct redis_store_setup setup;
    struct shared_counts_listener listener;
    struct shared_counts_port port;
    enum redis_state state;
    redisAsyncContext *context;
    uv_getaddrinfo_t resolve;
    struct breaker breaker;
    struct random random;
    bool closing;
    bool reported_up;    /* what the log was last told */
    bool reported_error; /* an error reply on this connection is in the log already */
    int64_t timeout_us;  /* while resolving or connecting; monotonic */
    bool late; /* the last tick found a command past its time; if the loop was late itself, the
                * answer is there by the next */
    int64_t sent_us[COMMANDS_MAX];
    size_t sent_first, sent_count; /* the ring's oldest, and how many */
    int64_t used_us;               /* the last answer */
    int64_t latency_us;
    struct redis_read reads[READS_MAX];
};

/* KEYS: counts; ARGV[1]: lifetime in ms; ARGV[i + 1]: the new value of KEYS[i]. Keeps what is there
 * only where it is a value of ours, of about now, and not older than the new one; anything else is
 * replaced. */
static const char publish_script[] =
    "for i = 1, #KEYS do\n"
    "  local new = ARGV[i + 1]\n"
    "  local held = redis.pcall('GET', KEYS[i])\n"
    "  local keep = false\n"
    "  if type(held) == 'string' then\n"
    "    local as_of = string.match(held, '^%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d:(%d+):%d+$')\n"
    "    local apart = as_of and tonumber(as_of) - tonumber(string.sub(new, 21, 36))\n"
    "    keep = apart and apart > -5000000 and apart < 5000000 and held >= new\n"
    "  end\n"
    "  if not keep then redis.pcall('SET', KEYS[i], new, 'PX', ARGV[1]) end\n"
    "end\n"
    "return #KEYS\n";

static bool port_available(void *store_)
{
    const struct redis_store *store = store_;
    return store->state == REDIS_UP;
}

static void report(struct redis_store *store, const char *reason)
{
    bool up = store->state == REDIS_UP;
    if (up == store->reported_up || store->closing) {
        return;
    }
    store->reported_up = up;
    if (up) {
        log_event(LOG_INFO, "redis answers");
    } else {
        log_event(LOG_WARN, "redis is unavailable, counts come from postgres",
                  LOG_CSTR("reason", reason));
    }
}

/* Gives the connection up. hiredis ends every command with a NULL reply from in here. */
static void give_up(struct redis_store *store, const char *reason_, int64_t now_us)
{
    char reason[REASON_SIZE_BYTES]; /* it may lie in what is freed now */
    snprintf(reason, sizeof reason, "%s", reason_);
    redisAsyncContext *context = store->context;
    store->context = NULL;
    store->state = REDIS_DOWN;
    breaker_failure(&store->breaker, now_us, random_next(&store->random));
    if (context != NULL) {
        redisAsyncFree(context);
    }
    store->sent_count = 0;
    report(store, reason);
}

/* ---- commands ---- */

static bool send_command(struct redis_store *store, redisCallbackFn *answered, void *data, int argc,
                         const char **argv, const size_t *sizes)
{
    if (store->sent_count == COMMANDS_MAX ||
        redisAsyncCommandArgv(store->context, answered, data, argc, argv, sizes) != REDIS_OK) {
        return false;
    }
    size_t at = (store->sent_first + store->sent_count++) % COMMANDS_MAX;
    store->sent_us[at] = clock_mono_us();
    return true;
}

/* Notes that the oldest command has been answered; an error goes into the log, once a connection.
 */
static void note_answer(struct redis_store *store, const redisReply *reply)
{
    assert(store->sent_count > 0);
    store->used_us = clock_mono_us();
    store->latency_us = store->used_us - store->sent_us[store->sent_first];
    store->sent_first = (store->sent_first + 1) % COMMANDS_MAX;
    store->sent_count--;
    metrics_observe(store->setup.metrics, HISTOGRAM_LATENCY_REDIS, (uint64_t)store->latency_us);
    if (reply->type == REDIS_REPLY_ERROR && !store->reported_error) {
        store->reported_error = true;
        log_event(LOG_WARN, "redis refused a command",
                  LOG_STR("reason", slice_make(reply->str, strcspn(reply->str, " "))));
    }
}

/* The arguments of one command with many keys, built in place. */
struct command {
    const char *argv[2 * SHARED_COUNTS_MAX + 4];
    size_t sizes[2 * SHARED_COUNTS_MAX + 4];
    int argc;
    size_t used;
    char bytes[SHARED_COUNTS_MAX * (REDIS_KEY_SIZE_BYTES + REDIS_VALUE_SIZE_BYTES)];
};

static void add_argument(struct command *command, struct slice argument)
{
    command->argv[command->argc] = argument.data;
    command->sizes[command->argc++] = argument.size;
}

static void command_begin(struct command *command, const char *name)
{
    command->argc = 0; /* not the whole of it: it is large, and only what is used gets written */
    command->used = 0;
    add_argument(command, slice_of(name));
}

static struct text argument_space(struct command *command, size_t size)
{
    assert(sizeof command->bytes - command->used >= size);
    return text_over(command->bytes + command->used, size);
}

static void add_written(struct command *command, const struct text *text)
{
    assert(!text->truncated);
    add_argument(command, text_slice(text));
    command->used += text->size;
}

static void add_key(const struct redis_store *store, struct command *command,
                    const struct shared_count *entry)
{
    struct text key = argument_space(command, REDIS_KEY_SIZE_BYTES);
    redis_encode_key(store->setup.namespace, entry, &key);
    add_written(command, &key);
}

static void read_answered(redisAsyncContext *context, void *reply_, void *read_)
{
    const redisReply *reply = reply_;
    struct redis_read *read = read_;
    struct redis_store *store = read->store;
    (void)context;
    if (reply != NULL) {
        note_answer(store, reply);
    }
    bool whole = reply != NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == read->size;
    for (size_t i = 0; i < read->size && whole; i++) {
        const redisReply *value = reply->element[i];
        read->entries[i].found =
            value->type == REDIS_REPLY_STRING &&
            redis_decode_value(slice_make(value->str, value->len), &read->entries[i].count);
    }
    store->listener.read_ended(store->listener.service, read->entries, read->size, clock_now());
    read->in_use = false;
}

static bool port_read(void *store_, const struct shared_count *entries, size_t size,
                      struct instant now)
{
    struct redis_store *store = store_;
    struct redis_read *read = store->reads;
    (void)now;
    while (read < store->reads + READS_MAX && read->in_use) {
        read++;
    }
    if (store->state != REDIS_UP || read == store->reads + READS_MAX) {
        return false;
    }
    struct command command;
    command_begin(&command, "MGET");
    for (size_t i = 0; i < size; i++) {
        read->entries[i] = entries[i];
        read->entries[i].found = false;
        add_key(store, &command, &entries[i]);
    }
    read->store = store;
    read->size = size;
    read->in_use =
        send_command(store, read_answered, read, command.argc, command.argv, command.sizes);
    return read->in_use;
}

static void publish_answered(redisAsyncContext *context, void *reply, void *store)
{
    (void)context;
    if (reply != NULL) {
        note_answer(store, reply);
    }
}

static bool port_publish(void *store_, const struct shared_count *entries, size_t size)
{
    struct redis_store *store = store_;
    if (store->state != REDIS_UP) {
        return false;
    }
    char key_count[24], ttl[24];
    struct command command;
    snprintf(key_count, sizeof key_count, "%zu", size);
    snprintf(ttl, sizeof ttl, "%lld", (long long)store->setup.ttl_ms);
    command_begin(&command, "EVAL");
    add_argument(&command, slice_of(publish_script));
    add_argument(&command, slice_of(key_count));
    for (size_t i = 0; i < size; i++) {
        add_key(store, &command, &entries[i]);
    }
    add_argument(&command, slice_of(ttl));
    for (size_t i = 0; i < size; i++) {
        struct text value = argument_space(&command, REDIS_VALUE_SIZE_BYTES);
        redis_encode_value(&entries[i].count, &value);
        add_written(&command, &value);
    }
    return send_command(store, publish_answered, store, command.argc, command.argv, command.sizes);
}

/* ---- connecting ---- */

static void handshake_answered(redisAsyncContext *context, void *reply_, void *store_)
{
    struct redis_store *store = store_;
    const redisReply *reply = reply_;
    if (reply == NULL || context != store->context) {
        return;
    }
    note_answer(store, reply);
    if (reply->type == REDIS_REPLY_ERROR) {
        give_up(store, reply->str, clock_mono_us());
    } else if (store->sent_count == 0 && store->state == REDIS_CONNECTING) {
        store->state = REDIS_UP;
        breaker_success(&store->breaker);
        report(store, "");
    }
}

static bool send_words(struct redis_store *store, const char **words, int count)
{
    size_t sizes[4];
    for (int i = 0; i < count; i++) {
        sizes[i] = strlen(words[i]);
    }
    return send_command(store, handshake_answered, store, count, words, sizes);
}

static bool send_handshake(struct redis_store *store)
{
    const struct redis_url *url = store->setup.url;
    bool sent = true;
    if (url->password[0] != '\0') {
        const char *named[] = {"AUTH", url->user, url->password};
        const char *unnamed[] = {"AUTH", url->password};
        sent = url->user[0] != '\0' ? send_words(store, named, 3) : send_words(store, unnamed, 2);
    }
    if (sent && url->database != 0) {
        char database[16];
        snprintf(database, sizeof database, "%d", url->database);
        const char *words[] = {"SELECT", database};
        sent = send_words(store, words, 2);
    }
    const char *words[] = {"PING"};
    return sent && send_words(store, words, 1);
}

/* hiredis frees the context itself in these two cases. */
static void on_disconnected(const redisAsyncContext *context, int status)
{
    struct redis_store *store = context->data;
    (void)status;
    if (store->context == context) {
        store->context = NULL;
        give_up(store, context->c.errstr[0] != '\0' ? context->c.errstr : "connection closed",
                clock_mono_us());
    }
}

static void on_connected(const redisAsyncContext *context, int status)
{
    if (status != REDIS_OK) {
        on_disconnected(context, status);
    }
}

/* Takes a connection that hiredis has begun, and sends what opens it. */
static void adopt(struct redis_store *store, redisAsyncContext *context, int64_t now_us)
{
    store->context = context;
    store->state = REDIS_CONNECTING;
    store->sent_first = store->sent_count = 0;
    store->reported_error = false;
    if (context == NULL || context->err != 0) {
        give_up(store, context == NULL ? "out of memory" : context->c.errstr, now_us);
        return;
    }
    if (!redis_poll_attach(context, store->setup.loop)) {
        give_up(store, "cannot watch its socket", now_us);
        return;
    }
    context->data = store;
    redisAsyncSetConnectCallback(context, on_connected);
    redisAsyncSetDisconnectCallback(context, on_disconnected);
    if (!send_handshake(store)) {
        give_up(store, "cannot send", now_us);
    }
}

static void resolved(uv_getaddrinfo_t *request, int status, struct addrinfo *addresses)
{
    struct redis_store *store = request->data;
    char address[64] = "";
    store->state = REDIS_DOWN;
    if (status == 0 && !store->closing) {
        if (addresses->ai_family == AF_INET6) {
            uv_ip6_name((const struct sockaddr_in6 *)(const void *)addresses->ai_addr, address,
                        sizeof address);
        } else {
            uv_ip4_name((const struct sockaddr_in *)(const void *)addresses->ai_addr, address,
                        sizeof address);
        }
        adopt(store, redisAsyncConnect(address, store->setup.url->port), clock_mono_us());
    } else if (!store->closing) {
        give_up(store, uv_strerror(status), clock_mono_us());
    }
    uv_freeaddrinfo(addresses);
}

static void start_connecting(struct redis_store *store, int64_t now_us)
{
    const struct redis_url *url = store->setup.url;
    store->timeout_us = now_us + CONNECT_TIMEOUT_US;
    metrics_add(store->setup.metrics, METRIC_STORE_RECONNECTS_REDIS, 1);
    if (url->path[0] != '\0') {
        adopt(store, redisAsyncConnectUnix(url->path), now_us);
        return;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC};
    store->state = REDIS_RESOLVING; /* hiredis would resolve too, but block meanwhile */
    store->resolve.data = store;
    int failed =
        uv_getaddrinfo(store->setup.loop, &store->resolve, resolved, url->host, NULL, &hints);
    if (failed != 0) {
        store->state = REDIS_DOWN;
        give_up(store, uv_strerror(failed), now_us);
    }
}

/* ---- life ---- */

struct redis_store *redis_store_create(const struct redis_store_setup *setup)
{
    struct redis_store *store = calloc(1, sizeof *store);
    if (store == NULL) {
        return NULL;
    }
    store->setup = *setup;
    store->random.state = setup->random_seed;
    store->reported_up = true; /* so that a first failure is told */
    store->latency_us = -1;
    store->port = (struct shared_counts_port){
        .store = store, .available = port_available, .read = port_read, .publish = port_publish};
    breaker_init(&store->breaker, BACKOFF_MIN_US, BACKOFF_MAX_US);
    return store;
}

void redis_store_listen(struct redis_store *store, const struct shared_counts_listener *listener)
{
    store->listener = *listener;
}

const struct shared_counts_port *redis_store_port(const struct redis_store *store)
{
    return &store->port;
}

void redis_store_tick(struct redis_store *store, struct instant now)
{
    int64_t now_us = now.mono_us;
    int64_t oldest_us = store->sent_count > 0 ? store->sent_us[store->sent_first] : now_us;
    const char *ping[] = {"PING"};
    switch (store->state) {
    case REDIS_DOWN:
        if (!store->closing && breaker_allows(&store->breaker, now_us)) {
            start_connecting(store, now_us);
        }
        break;
    case REDIS_RESOLVING: /* ends by itself; the resolver has time-outs of its own */
        break;
    case REDIS_CONNECTING:
        if (now_us > store->timeout_us) {
            give_up(store, "no connection in time", now_us);
        }
        break;
    case REDIS_UP:
        if (now_us - oldest_us > COMMAND_TIMEOUT_US && store->late) {
            give_up(store, "no answer in time", now_us);
        } else if (store->sent_count == 0 && now_us - store->used_us > PING_AFTER_US) {
            (void)send_words(store, ping, 1); /* if it cannot be sent, the next command tells */
        }
        break;
    }
    store->late = now_us - oldest_us > COMMAND_TIMEOUT_US;
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
    if (store->context != NULL) {
        give_up(store, "", clock_mono_us());
    }
}

void redis_store_destroy(struct redis_store **store)
{
    free(*store);
    *store = NULL;
}
