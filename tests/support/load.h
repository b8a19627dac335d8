/* Many HTTP clients at once: one thread, one libcurl multi handle, each client a state machine. */
#ifndef RSVPD_TESTS_LOAD_H
#define RSVPD_TESTS_LOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* DESIGN
 * The clients run in a thread of their own, so that the test can stop, kill and restart servers
 * while they go on. A client has one request on its way at most, over one connection kept alive.
 * The callbacks of all clients of a load run in that one thread: clients may share memory with each
 * other, and with the test before load_start and after load_finish, but not in between. A callback
 * must not use cmocka's assertions, which jump; it reports by load_violation, and load_finish fails
 * the test. */

enum { LOAD_TARGET_SIZE = 1280, LOAD_BODY_SIZE = 256, LOAD_KEY_SIZE = 80, LOAD_CLIENTS_MAX = 512 };

struct load;

enum load_step {
    LOAD_SEND, /* the request is filled in: send it */
    LOAD_WAIT, /* nothing to do now: ask again in a millisecond */
    LOAD_DONE, /* this client has finished */
};

/* One request. It arrives empty; the client fills it in. */
struct load_request {
    const char *method; /* a string that outlives the request */
    uint16_t port;      /* of 127.0.0.1 */
    char target[LOAD_TARGET_SIZE];
    char body[LOAD_BODY_SIZE]; /* JSON; empty: no body */
    char key[LOAD_KEY_SIZE];   /* of the header Idempotency-Key; empty: none */
};

/* What came back. Gone when on_answer returns. */
struct load_answer {
    long status;         /* 0: no answer came, and `failure` says why */
    const char *failure; /* NULL when an answer came */
    const char *text;    /* the body */
    json_t *json;        /* the body; NULL when it is not a JSON object */
    bool replayed;       /* it carries Idempotency-Replayed: true */
    int64_t sent_us;     /* on the clock of load_now_us, before the first byte left */
    int64_t received_us; /* when the last byte was read */
};

/* A request and what came back for it, within on_answer. */
struct load_exchange {
    struct load *load;
    const struct load_request *request;
    const struct load_answer *answer;
};

struct load_behaviour {
    /* Decides what the client does next; called when it has no request on its way. */
    enum load_step (*next_request)(struct load *load, void *client, struct load_request *request);
    /* Takes the answer, or the failure, of the request that next_request filled in. */
    void (*on_answer)(const struct load_exchange *exchange, void *client);
};

struct load *load_create(void);

/* Adds a client before load_start. The client's memory stays the caller's and must live until the
 * load is destroyed. */
void load_add_client(struct load *load, const struct load_behaviour *behaviour, void *client);

/* Before load_start: requests go by HTTPS, to who has a certificate that the file's signs. Each
 * client has a connection of its own, also with HTTP/2. */
void load_use_tls(struct load *load, const char *certificate_path);
/* Before load_start: every request carries this line, such as "X-API-Key: 1". */
void load_add_header(struct load *load, const char *line);

void load_start(struct load *load);

/* Counts one step of whatever the test is waiting for. For callbacks. */
void load_note_progress(struct load *load);

/* Waits until callbacks have noted that many more steps from now on; fails the test when it takes
 * longer than the bound, and at once when there is a violation. For the test, not for callbacks. */
void load_await_progress(struct load *load, uint64_t steps, int bound_ms);

/* Waits until every client is done, or any of them reported a violation; fails the test on a
 * violation and when it takes longer than the bound. */
void load_await_done(struct load *load, int bound_ms);

/* Whether every client is done, or any of them reported a violation: for the test's own looks at
 * what goes on meanwhile. */
bool load_is_done(const struct load *load);

/* Lets the requests on their way end, sends no more, and fails the test on a violation. */
void load_finish(struct load *load);

/* Ends the thread if it runs, frees all, nulls the pointer. Never fails the test: for teardown. */
void load_destroy(struct load **pointer);

/* Keeps the message of the first violation and stops the load. For callbacks. */
void load_violation(struct load *load, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A violation that quotes the exchange. */
void load_exchange_violation(const struct load_exchange *exchange, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* CLOCK_REALTIME in microseconds: the clock that as_of is on. */
int64_t load_now_us(void);

/* A small generator (splitmix64), so that a client's choices follow from the seed alone. */
struct load_random {
    uint64_t state;
};

/* The seed of this program's run: TEST_SEED, or a fresh one. Printed when first asked for. */
uint64_t load_seed(void);

/* A generator of its own for each stream (a client, say) of this run. */
struct load_random load_random_stream(uint64_t stream);

/* A number from 0 to bound - 1. */
unsigned load_random_below(struct load_random *random, unsigned bound);

#endif
