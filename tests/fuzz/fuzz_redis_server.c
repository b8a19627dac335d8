/* What a Redis server sends, over a real connection: a script of the store's own commands and of
 * the server's bytes. Whatever these are, each read and each exchange ends exactly once, nothing is
 * found in one that was not answered whole, and the store can be closed. */
#include "fuzz.h"

#include "rsvpd/base/log.h"
#include "rsvpd/base/mac.h"
#include "rsvpd/store/redis_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { ENTRIES_MAX = 5, STEPS_MAX = 64, TURNS = 2, TURNS_MAX = 1000 };

static char directory[] = "/tmp/rsvpd-fuzz-XXXXXX";
static struct redis_url url;
static int listener;
static uv_loop_t loop;
static struct metrics *metrics;

/* One exchange. */
static struct redis_store *store;
static const struct redis_counts_port *port;
static int server; /* the server's end of the connection */
static unsigned asked, ended;

static void remove_directory(void)
{
    (void)unlink(url.path);
    (void)rmdir(directory);
}

static void prepare(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char *made = mkdtemp(directory);
    int failed = uv_loop_init(&loop);
    metrics = metrics_create();
    failed = failed != 0 || atexit(remove_directory) != 0;
    assert(made != NULL && !failed && metrics != NULL);
    snprintf(url.path, sizeof url.path, "%s/s", directory);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", directory);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    failed = bind(listener, (const struct sockaddr *)&address, sizeof address) != 0 ||
             listen(listener, 1) != 0;
    assert(!failed);
    log_configure(LOG_ERROR, LOG_FORMAT_TEXT); /* that it is unavailable is no news */
}

static void turn(void)
{
    for (int i = 0; i < TURNS; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
}

static void read_ended(void *service, const struct redis_count *entries, size_t size,
                       struct instant now)
{
    (void)service;
    (void)now;
    assert(size > 0 && size <= ENTRIES_MAX && ended < asked);
    for (size_t i = 0; i < size; i++) {
        assert(!entries[i].found || (entries[i].count.value >= 0 && entries[i].count.version >= 0));
        assert(entries[i].waiter == &asked);
    }
    ended++;
}

static void exchanged(void *sharing, const struct rate_share *shares, size_t size, int64_t sent_us,
                      int64_t now_us)
{
    (void)sharing;
    assert(size > 0 && size <= ENTRIES_MAX && ended < asked && sent_us <= now_us);
    for (size_t i = 0; i < size; i++) {
        assert(!shares[i].answered ||
               (shares[i].debt_us >= 0 && shares[i].debt_us < INT64_C(1000000000000000)));
        assert(shares[i].hash == i + 1);
    }
    ended++;
}

/* ---- the script ---- */

static void fill(struct redis_count entries[ENTRIES_MAX])
{
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        entries[i] = (struct redis_count){.relation = &relations[0],
                                          .entity = {.size = 1, .data = {(char)('a' + i)}},
                                          .count = {.value = 7, .version = 3, .as_of_wall_us = 1},
                                          .waiter = &asked};
    }
}

static void ask(size_t size)
{
    struct redis_count entries[ENTRIES_MAX];
    fill(entries);
    asked++;
    if (!port->read(port->store, entries, size, clock_now())) {
        asked--;
    }
}

static void publish(size_t size)
{
    struct redis_count entries[ENTRIES_MAX];
    fill(entries);
    (void)port->publish(port->store, entries, size);
}

static void exchange(size_t size)
{
    const struct redis_rates_port *rates = redis_store_rates_port(store);
    struct rate_share shares[ENTRIES_MAX];
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        shares[i] = (struct rate_share){.hash = i + 1, .charge_us = 5, .debt_max_us = 7};
    }
    asked++;
    if (!rates->exchange(rates->store, shares, size)) {
        asked--;
    }
}

/* What the store has sent is of no interest, but must not fill the socket. */
static void drain(void)
{
    char bytes[65536];
    while (recv(server, bytes, sizeof bytes, MSG_DONTWAIT) > 0) {
    }
}

static void say(struct slice bytes)
{
    drain();
    (void)send(server, bytes.data, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A letter each: r, p and x with how many counts or callers, s with how many bytes follow, t, c. */
static void run_step(struct slice *script)
{
    char step = script->data[0];
    size_t number = script->size > 1 ? (unsigned char)script->data[1] : 0;
    size_t used = step == 'r' || step == 'p' || step == 'x' || step == 's' ? 2 : 1;
    used = used > script->size ? script->size : used;
    *script = slice_make(script->data + used, script->size - used);
    switch (step) {
    case 'r':
        ask(number % ENTRIES_MAX + 1);
        break;
    case 'p':
        publish(number % ENTRIES_MAX + 1);
        break;
    case 'x':
        exchange(number % ENTRIES_MAX + 1);
        break;
    case 's':
        number = number > script->size ? script->size : number;
        say(slice_make(script->data, number));
        *script = slice_make(script->data + number, script->size - number);
        turn();
        break;
    case 't':
        redis_store_tick(store, clock_now());
        turn();
        break;
    case 'c':
        shutdown(server, SHUT_WR);
        turn();
        break;
    default: /* all that is left, at once */
        say(*script);
        turn();
        script->size = 0;
    }
}

static void begin(void)
{
    static const unsigned char rates_key[MAC_KEY_SIZE_BYTES];
    asked = ended = 0;
    store = redis_store_create(&(struct redis_store_setup){.loop = &loop,
                                                           .address = {.url = &url},
                                                           .namespace = "0123456789abcdef",
                                                           .ttl_ms = 2500,
                                                           .rates_key = rates_key,
                                                           .metrics = metrics,
                                                           .random_seed = 1});
    assert(store != NULL);
    redis_store_listen(store, &(struct redis_counts_listener){.read_ended = read_ended});
    redis_store_listen_to_rates(store, &(struct redis_rates_listener){.exchanged = exchanged});
    port = redis_store_port(store);
    redis_store_tick(store, clock_now());
    turn();
    server = accept(listener, NULL, NULL);
    assert(server >= 0);
}

static void end(void)
{
    redis_store_close(store);
    assert(ended == asked);
    for (int i = 0; i < TURNS_MAX && uv_loop_alive(&loop); i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
    }
    assert(!uv_loop_alive(&loop));
    redis_store_destroy(&store);
    close(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice script = fuzz_input(data, size);
    if (metrics == NULL) {
        prepare();
    }
    begin();
    for (int i = 0; i < STEPS_MAX && script.size > 0; i++) {
        run_step(&script);
    }
    end();
    return 0;
}
