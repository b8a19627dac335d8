/* Many HTTP clients at once: one thread, one libcurl multi handle, each client a state machine. */
#include "load.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "process.h"
#include "test.h"

enum {
    ANSWER_SIZE_MAX = 16384,
    /* Far past every deadline of the service: what takes this long was never answered. */
    REQUEST_BOUND_MS = PROCESS_BOUND_MS,
    WAIT_MS = 1,
    POLL_MS = 100,
    VIOLATION_SIZE = 1024,
};

enum slot_state {
    SLOT_IDLE, /* the client is to be asked for its next request */
    SLOT_BUSY, /* a request is on its way */
    SLOT_DONE, /* the client has finished, or the load is stopping */
};

struct slot {
    enum slot_state state;
    const struct load_behaviour *behaviour;
    void *client;
    CURL *easy;
    struct curl_slist *headers; /* of a request with a key; NULL: none */
    struct load_request request;
    char answer[ANSWER_SIZE_MAX + 1]; /* NUL-terminated when complete */
    size_t answer_size;
    int64_t sent_us;
    int64_t received_us;
};

struct load {
    struct slot *slots[LOAD_CLIENTS_MAX];
    size_t slots_used;
    CURLM *multi;
    struct curl_slist *headers;      /* of every request; NULL: none */
    struct curl_slist *json_headers; /* of one with a body: those, and its type */
    const char *scheme;
    pthread_t thread;
    bool thread_runs;
    atomic_bool stopping;
    atomic_bool done; /* every slot is done */
    atomic_uint_fast64_t progress;
    atomic_bool violated;
    char violation[VIOLATION_SIZE]; /* written by the load's thread, read once it is joined */
};

int64_t load_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- randomness ---- */

static uint64_t random_next(struct load_random *random)
{
    uint64_t z = (random->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t load_seed(void)
{
    static uint64_t seed;
    static bool chosen;
    if (!chosen) {
        const char *given = getenv("TEST_SEED");
        if (given != NULL) {
            seed = strtoull(given, NULL, 10);
        } else if (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
            process_fail("getrandom gives nothing");
        }
        chosen = true;
        print_message("TEST_SEED=%llu repeats the choices of this run\n", (unsigned long long)seed);
    }
    return seed;
}

struct load_random load_random_stream(uint64_t stream)
{
    struct load_random mixer = {.state = stream};
    return (struct load_random){.state = load_seed() ^ random_next(&mixer)};
}

unsigned load_random_below(struct load_random *random, unsigned bound)
{
    return (unsigned)((random_next(random) >> 32) * bound >> 32);
}

/* ---- building ---- */

struct load *load_create(void)
{
    struct load *load = calloc(1, sizeof *load);
    assert_non_null(load);
    load->scheme = "http";
    load->multi = curl_multi_init();
    assert_non_null(load->multi);
    load->json_headers = curl_slist_append(NULL, "Content-Type: application/json");
    assert_non_null(load->json_headers);
    return load;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct slot *slot = context;
    size_t total = size * count;
    if (total > ANSWER_SIZE_MAX - slot->answer_size) {
        return 0; /* libcurl then fails the request, which the client sees */
    }
    memcpy(slot->answer + slot->answer_size, bytes, total);
    slot->answer_size += total;
    slot->received_us = load_now_us();
    return total;
}

void load_add_client(struct load *load, const struct load_behaviour *behaviour, void *client)
{
    assert_true(load->slots_used < LOAD_CLIENTS_MAX && !load->thread_runs);
    struct slot *slot = calloc(1, sizeof *slot);
    assert_non_null(slot);
    slot->behaviour = behaviour;
    slot->client = client;
    slot->easy = curl_easy_init();
    assert_non_null(slot->easy);
    curl_easy_setopt(slot->easy, CURLOPT_PRIVATE, slot);
    curl_easy_setopt(slot->easy, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(slot->easy, CURLOPT_WRITEDATA, slot);
    curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, (long)REQUEST_BOUND_MS);
    curl_easy_setopt(slot->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(slot->easy, CURLOPT_PROXY, "");
    load->slots[load->slots_used++] = slot;
}

void load_use_tls(struct load *load, const char *certificate_path)
{
    load->scheme = "https";
    curl_multi_setopt(load->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    for (size_t i = 0; i < load->slots_used; i++) {
        curl_easy_setopt(load->slots[i]->easy, CURLOPT_CAINFO, certificate_path);
    }
}

void load_add_header(struct load *load, const char *line)
{
    load->headers = curl_slist_append(load->headers, line);
    load->json_headers = curl_slist_append(load->json_headers, line);
    assert_true(load->headers != NULL && load->json_headers != NULL);
}

/* ---- the thread of the load ---- */

void load_violation(struct load *load, const char *format, ...)
{
    if (atomic_load(&load->violated)) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(load->violation, sizeof load->violation, format, arguments);
    va_end(arguments);
    atomic_store(&load->violated, true);
    atomic_store(&load->stopping, true);
}

void load_exchange_violation(const struct load_exchange *exchange, const char *format, ...)
{
    char message[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    const struct load_answer *answer = exchange->answer;
    load_violation(exchange->load, "%s\n  %s %s %s\n  answered %ld %s", message,
                   exchange->request->method, exchange->request->target, exchange->request->body,
                   answer->status, answer->failure != NULL ? answer->failure : answer->text);
}

void load_note_progress(struct load *load)
{
    atomic_fetch_add(&load->progress, 1);
}

static void slot_drop_headers(struct slot *slot)
{
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(slot->headers);
    slot->headers = NULL;
}

/* Headers that all requests share, or a list of the slot's own. */
static void slot_set_headers(const struct load *load, struct slot *slot)
{
    const struct load_request *request = &slot->request;
    struct curl_slist *headers = request->body[0] != '\0' ? load->json_headers : load->headers;
    if (request->key[0] != '\0') {
        char line[LOAD_KEY_SIZE + 32];
        snprintf(line, sizeof line, "Idempotency-Key: %s", request->key);
        slot->headers = curl_slist_append(NULL, line);
        for (; headers != NULL; headers = headers->next) {
            slot->headers = curl_slist_append(slot->headers, headers->data);
        }
        headers = slot->headers;
    }
    curl_easy_setopt(slot->easy, CURLOPT_HTTPHEADER, headers);
}

static void slot_send(struct load *load, struct slot *slot)
{
    const struct load_request *request = &slot->request;
    bool has_body = request->body[0] != '\0';
    char url[LOAD_TARGET_SIZE + 32];
    snprintf(url, sizeof url, "%s://127.0.0.1:%u%s", load->scheme, request->port, request->target);
    curl_easy_setopt(slot->easy, CURLOPT_HTTPGET, 1L);
    if (has_body) {
        curl_easy_setopt(slot->easy, CURLOPT_POSTFIELDS, request->body);
    }
    slot_set_headers(load, slot);
    curl_easy_setopt(slot->easy, CURLOPT_CUSTOMREQUEST, request->method);
    curl_easy_setopt(slot->easy, CURLOPT_URL, url);
    slot->answer_size = 0;
    slot->received_us = 0;
    slot->sent_us = load_now_us();
    slot->state = SLOT_BUSY;
    CURLMcode code = curl_multi_add_handle(load->multi, slot->easy);
    if (code != CURLM_OK) {
        load_violation(load, "curl_multi_add_handle: %s", curl_multi_strerror(code));
    }
}

/* Asks every idle client what is next. Returns whether the load is still on. */
static bool ask_clients(struct load *load, bool *any_waits)
{
    bool on = false;
    *any_waits = false;
    for (size_t i = 0; i < load->slots_used; i++) {
        struct slot *slot = load->slots[i];
        if (slot->state == SLOT_IDLE && atomic_load(&load->stopping)) {
            slot->state = SLOT_DONE;
        }
        if (slot->state == SLOT_IDLE) {
            memset(&slot->request, 0, sizeof slot->request);
            switch (slot->behaviour->next_request(load, slot->client, &slot->request)) {
            case LOAD_SEND:
                slot_send(load, slot);
                break;
            case LOAD_WAIT:
                *any_waits = true;
                break;
            case LOAD_DONE:
                slot->state = SLOT_DONE;
                break;
            }
        }
        on = on || slot->state != SLOT_DONE;
    }
    return on;
}

static void slot_hand_over(struct load *load, struct slot *slot, CURLcode result)
{
    slot->answer[slot->answer_size] = '\0';
    struct load_answer answer = {
        .text = slot->answer,
        .sent_us = slot->sent_us,
        .received_us = slot->received_us != 0 ? slot->received_us : load_now_us(),
    };
    if (result == CURLE_OK) {
        struct curl_header *header;
        curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &answer.status);
        answer.replayed = curl_easy_header(slot->easy, "Idempotency-Replayed", 0, CURLH_HEADER, -1,
                                           &header) == CURLHE_OK &&
                          strcmp(header->value, "true") == 0;
        answer.json = json_loadb(slot->answer, slot->answer_size, JSON_REJECT_DUPLICATES, NULL);
        if (!json_is_object(answer.json)) {
            json_decref(answer.json);
            answer.json = NULL;
        }
    } else {
        answer.failure = curl_easy_strerror(result);
    }
    slot_drop_headers(slot);
    slot->state = SLOT_IDLE;
    const struct load_exchange exchange = {load, &slot->request, &answer};
    slot->behaviour->on_answer(&exchange, slot->client);
    json_decref(answer.json);
}

static void collect_answers(struct load *load)
{
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(load->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) {
            continue;
        }
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        struct slot *slot;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &slot);
        curl_multi_remove_handle(load->multi, easy);
        slot_hand_over(load, slot, result);
    }
}

static void *run(void *context)
{
    struct load *load = context;
    bool any_waits;
    while (ask_clients(load, &any_waits)) {
        int running;
        curl_multi_poll(load->multi, NULL, 0, any_waits ? WAIT_MS : POLL_MS, NULL);
        curl_multi_perform(load->multi, &running);
        collect_answers(load);
    }
    atomic_store(&load->done, true);
    return NULL;
}

/* ---- the side of the test ---- */

void load_start(struct load *load)
{
    curl_multi_setopt(load->multi, CURLMOPT_MAXCONNECTS, (long)load->slots_used);
    assert_int_equal(pthread_create(&load->thread, NULL, run, load), 0);
    load->thread_runs = true;
}

static void join(struct load *load)
{
    atomic_store(&load->stopping, true);
    if (load->thread_runs) {
        pthread_join(load->thread, NULL);
    }
    load->thread_runs = false;
}

void load_await_progress(struct load *load, uint64_t steps, int bound_ms)
{
    uint64_t wanted = atomic_load(&load->progress) + steps;
    int64_t give_up_ms = process_now_ms() + bound_ms;
    while (atomic_load(&load->progress) < wanted && !atomic_load(&load->done) &&
           process_now_ms() < give_up_ms) {
        process_nap();
    }
    uint64_t reached = atomic_load(&load->progress);
    if (reached >= wanted) {
        return;
    }
    load_finish(load);
    process_fail("the clients made %llu steps less than the %llu awaited within %d ms",
                 (unsigned long long)(wanted - reached), (unsigned long long)steps, bound_ms);
}

bool load_is_done(const struct load *load)
{
    return atomic_load(&load->done);
}

void load_await_done(struct load *load, int bound_ms)
{
    int64_t give_up_ms = process_now_ms() + bound_ms;
    while (!atomic_load(&load->done) && process_now_ms() < give_up_ms) {
        process_nap();
    }
    bool done = atomic_load(&load->done);
    load_finish(load);
    if (!done) {
        process_fail("the clients were not done within %d ms", bound_ms);
    }
}

void load_finish(struct load *load)
{
    join(load);
    if (atomic_load(&load->violated)) {
        process_fail("%s", load->violation);
    }
}

void load_destroy(struct load **pointer)
{
    struct load *load = *pointer;
    if (load == NULL) {
        return;
    }
    *pointer = NULL;
    join(load);
    for (size_t i = 0; i < load->slots_used; i++) {
        curl_easy_cleanup(load->slots[i]->easy);
        curl_slist_free_all(load->slots[i]->headers);
        free(load->slots[i]);
    }
    curl_multi_cleanup(load->multi);
    curl_slist_free_all(load->headers);
    curl_slist_free_all(load->json_headers);
    free(load);
}
