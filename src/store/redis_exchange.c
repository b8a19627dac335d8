/* The exchange with a Redis server.
 *
 * DESIGN: hiredis parses, and calls our functions for each item. They create no objects, so an
 * announced size costs no memory, and they refuse items that the command does not allow. hiredis
 * buffers an incomplete item; that is bounded by the largest answer. Without a command in flight no
 * byte is accepted. */
#include "rsvpd/store/redis_exchange.h"

#include <assert.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>

#if HIREDIS_MAJOR >= 1
typedef size_t list_size;
#else
typedef int list_size;
#endif

struct redis_exchange {
    redisReader *reader;
    bool ended;
    bool seen;           /* an item of the current answer was accepted */
    const char *refusal; /* where it is an error */
    size_t unread;       /* bytes since the last answer */
    size_t first, size;  /* the ring's oldest, and how many */
    struct redis_command commands[REDIS_COMMANDS_MAX];
};

/* ---- errors ---- */

const char redis_refusal_unknown[] =
    "it refuses a command: its user may lack a right, or the command has another name there";

const char redis_refusal_no_password[] = "it wants a password (NOAUTH): give it in REDIS_URL";
const char redis_refusal_wrong_password[] =
    "it refuses the user or password of REDIS_URL (WRONGPASS)";
const char redis_refusal_no_right[] =
    "the user of REDIS_URL lacks a right (NOPERM): EVAL, GET, SET, MGET, TIME on rsvpd:*; with "
    "sentinels ROLE";

/* The first words of Redis errors. The rest of an error may quote anything, so it is never
 * repeated. */
static const struct {
    const char *code, *words;
} refusals[] = {
    {"READONLY", "it is a read-only replica (READONLY)"},
    {"OOM", "its memory is full (OOM): raise maxmemory, or set maxmemory-policy allkeys-lru"},
    {"NOAUTH", redis_refusal_no_password},
    {"WRONGPASS", redis_refusal_wrong_password},
    {"NOPERM", redis_refusal_no_right},
    {"LOADING", "it is loading its data (LOADING)"},
    {"BUSY", "a script keeps it busy (BUSY)"},
    {"MASTERDOWN", "it is a replica whose primary is away (MASTERDOWN)"},
    {"MISCONF", "it cannot save its data and takes no writes (MISCONF)"},
    {"NOREPLICAS", "it has too few replicas and takes no writes (NOREPLICAS)"},
    {"CLUSTERDOWN", "its cluster is down (CLUSTERDOWN)"},
    {"MOVED", "it is part of a cluster (MOVED): use one primary"},
    {"ASK", "it is part of a cluster (ASK): use one primary"},
    {"CROSSSLOT", "it is part of a cluster (CROSSSLOT): use one primary"},
    {"TRYAGAIN", "it is part of a cluster (TRYAGAIN): use one primary"},
    {"NOSCRIPT", "it does not keep scripts (NOSCRIPT)"},
    {"IDONTKNOW", "it does not know enough yet (IDONTKNOW)"},
};

static const char *refusal_words(struct slice error)
{
    struct slice code = slice_cut(&error, ' ');
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (slice_equal(code, slice_of(refusals[i].code))) {
            return refusals[i].words;
        }
    }
    return redis_refusal_unknown;
}

/* ---- items, as hiredis finds them; NULL refuses one ---- */

static struct redis_command *oldest(struct redis_exchange *exchange)
{
    assert(exchange->size > 0);
    return &exchange->commands[exchange->first];
}

/* Of the item of a list, where it has one of ours as its parent. */
static bool in_list(const redisReadTask *task)
{
    return task->parent != NULL;
}

/* Of an item that the oldest command's list may have behind what is wanted, or inside of that. */
static bool is_passed_over(const redisReadTask *task)
{
    struct redis_exchange *exchange = task->privdata;
    const struct redis_command *command = oldest(exchange);
    return in_list(task) && command->list_is_open &&
           (task->parent->parent != NULL || (size_t)task->idx >= command->list_size);
}

/* One value that is all of an answer. */
static void *found_value(const redisReadTask *task)
{
    struct redis_exchange *exchange = task->privdata;
    if (is_passed_over(task)) {
        return exchange;
    }
    exchange->seen = !in_list(task) && oldest(exchange)->list_size == 0;
    return exchange->seen ? exchange : NULL;
}

static void *found_string(const redisReadTask *task, char *bytes, size_t size)
{
    struct redis_exchange *exchange = task->privdata;
    const struct redis_command *command = oldest(exchange);
    if (is_passed_over(task)) {
        return exchange;
    }
    if (in_list(task) && task->type == REDIS_REPLY_STRING) {
        command->on_value(command->data, (size_t)task->idx, slice_make(bytes, size));
        return exchange;
    }
    if (!in_list(task) && task->type == REDIS_REPLY_ERROR) {
        exchange->refusal = refusal_words(slice_make(bytes, size));
        exchange->seen = true;
        return exchange;
    }
    return found_value(task);
}

static void *found_list(const redisReadTask *task, list_size size)
{
    struct redis_exchange *exchange = task->privdata;
    const struct redis_command *command = oldest(exchange);
    if (is_passed_over(task)) {
        return exchange;
    }
    exchange->seen = !in_list(task) && task->type == REDIS_REPLY_ARRAY && command->list_size > 0 &&
                     (command->list_is_open ? (size_t)size >= command->list_size
                                            : (size_t)size == command->list_size);
    return exchange->seen ? exchange : NULL;
}

static void *found_integer(const redisReadTask *task, long long value)
{
    (void)value;
    return found_value(task);
}

static void *found_nil(const redisReadTask *task)
{
    struct redis_exchange *exchange = task->privdata;
    if (in_list(task)) {
        return exchange;
    }
    if (oldest(exchange)->list_may_miss) {
        exchange->seen = true;
        return exchange;
    }
    return found_value(task);
}

static redisReplyObjectFunctions functions = {
    .createString = found_string,
    .createArray = found_list,
    .createInteger = found_integer,
    .createNil = found_nil,
};

/* ---- the exchange ---- */

struct redis_exchange *redis_exchange_create(void)
{
    struct redis_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) {
        return NULL;
    }
    exchange->reader = redisReaderCreateWithFunctions(&functions);
    if (exchange->reader == NULL) {
        free(exchange);
        return NULL;
    }
    exchange->reader->privdata = exchange;
    exchange->reader->maxbuf = 0; /* it keeps its buffer: ours is bounded */
    return exchange;
}

void redis_exchange_destroy(struct redis_exchange **exchange)
{
    if (*exchange != NULL) {
        redisReaderFree((*exchange)->reader);
        free(*exchange);
        *exchange = NULL;
    }
}

bool redis_exchange_expect(struct redis_exchange *exchange, const struct redis_command *command)
{
    if (exchange->ended || exchange->size == REDIS_COMMANDS_MAX) {
        return false;
    }
    assert((command->list_size > 0) == (command->on_value != NULL));
    exchange->commands[(exchange->first + exchange->size++) % REDIS_COMMANDS_MAX] = *command;
    return true;
}

static void end_oldest(struct redis_exchange *exchange, enum redis_outcome outcome,
                       const char *refusal)
{
    struct redis_command command = *oldest(exchange);
    struct redis_answer answer = {outcome, refusal, command.sent_us};
    exchange->first = (exchange->first + 1) % REDIS_COMMANDS_MAX;
    exchange->size--;
    command.on_end(command.data, &answer);
}

const char *redis_exchange_feed(struct redis_exchange *exchange, struct slice bytes)
{
    static const char unasked[] = "it sent an answer that nothing asked for";
    redisReader *reader = exchange->reader;
    bool read = exchange->size > 0;
    exchange->unread += bytes.size;
    if (!read || exchange->unread > REDIS_ANSWER_SIZE_MAX_BYTES) {
        return read ? "its answer is too large" : unasked;
    }
    if (redisReaderFeed(reader, bytes.data, bytes.size) != REDIS_OK) {
        return "out of memory";
    }
    while (exchange->size > 0) {
        void *answer = NULL;
        if (redisReaderGetReply(reader, &answer) != REDIS_OK || (answer && !exchange->seen)) {
            return "its answer does not fit the command";
        }
        if (answer == NULL) {
            return NULL;
        }
        const char *refusal = exchange->refusal;
        exchange->refusal = NULL;
        exchange->seen = false;
        exchange->unread = reader->len - reader->pos;
        end_oldest(exchange, refusal == NULL ? REDIS_ANSWERED : REDIS_REFUSED, refusal);
    }
    return exchange->ended || exchange->unread == 0 ? NULL : unasked;
}

void redis_exchange_abandon(struct redis_exchange *exchange)
{
    exchange->ended = true;
    while (exchange->size > 0) {
        end_oldest(exchange, REDIS_LOST, NULL);
    }
}

size_t redis_exchange_size(const struct redis_exchange *exchange)
{
    return exchange->size;
}

int64_t redis_exchange_oldest_us(const struct redis_exchange *exchange)
{
    assert(exchange->size > 0);
    return exchange->commands[exchange->first].sent_us;
}
