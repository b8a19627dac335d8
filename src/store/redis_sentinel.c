/* Asks sentinels where the primary is.
 *
 * DESIGN: one after another, each on a connection of its own that ends with the answer. Who told
 * last is asked first the next time, so a sentinel that is gone costs its time-out once. A look-up
 * of a name cannot be stopped, and may take long: it is left behind, and its sentinel is passed
 * over until it has ended. */
#include "rsvpd/store/redis_sentinel.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/text.h"
#include "rsvpd/store/redis_lookup.h"
#include "rsvpd/store/redis_words.h"

#include <assert.h>
#include <stdlib.h>

enum { ANSWER_TIMEOUT_US = 500 * 1000, ENDPOINT_SHOWN_SIZE_BYTES = REDIS_URL_PART_SIZE_BYTES + 16 };

/* One of the URL's sentinels. */
struct seat {
    struct redis_sentinel *all;
    struct redis_lookup lookup;
    unsigned attempt;     /* which of its name's addresses is next */
    const char *reported; /* what the log was last told is wrong with it, or NULL */
};

struct redis_sentinel {
    uv_loop_t *loop;
    struct metrics *metrics;
    struct redis_sentinel_owner owner;
    struct seat seats[REDIS_SENTINELS_MAX];  /* in the order of the URL */
    struct seat *order[REDIS_SENTINELS_MAX]; /* in that of asking */
    size_t count;

    /* While it asks. */
    struct seat *asked; /* the one that is being asked; NULL: none */
    size_t next;        /* in the order */
    const struct redis_url *url;
    struct redis_tls_context *tls;
    struct redis_link *link; /* to it; NULL: it is being looked up */
    int64_t timeout_us;      /* monotonic */
    bool known;              /* it told something: a host, a port, which are such or not */
    bool host_valid, port_valid;
    struct redis_endpoint told;

    char shown[ENDPOINT_SHOWN_SIZE_BYTES]; /* the primary that the log was last told of */
    bool closed;
};

/* ---- what the log is told ---- */

static void show(const struct redis_endpoint *endpoint, char out[ENDPOINT_SHOWN_SIZE_BYTES])
{
    bool bare = strchr(endpoint->host, ':') == NULL;
    struct text text = text_over(out, ENDPOINT_SHOWN_SIZE_BYTES - 1);
    text_add_format(&text, bare ? "%s:%d" : "[%s]:%d", endpoint->host, endpoint->port);
    out[text.size] = '\0';
}

static const struct redis_endpoint *endpoint_of(const struct seat *seat)
{
    return &seat->all->url->sentinels[seat - seat->all->seats];
}

/* Once for each new reason. */
static void report(struct seat *seat, const char *reason)
{
    if (seat->reported != NULL && strcmp(seat->reported, reason) == 0) {
        return;
    }
    char shown[ENDPOINT_SHOWN_SIZE_BYTES];
    show(endpoint_of(seat), shown);
    seat->reported = reason;
    log_event(LOG_WARN, "a sentinel does not tell where the primary of redis is",
              LOG_CSTR("sentinel", shown), LOG_CSTR("reason", reason));
}

/* Once for each change. */
static void report_primary(struct redis_sentinel *sentinel, struct seat *seat)
{
    char primary[ENDPOINT_SHOWN_SIZE_BYTES], shown[ENDPOINT_SHOWN_SIZE_BYTES];
    show(&sentinel->told, primary);
    if (strcmp(sentinel->shown, primary) == 0) {
        return;
    }
    show(endpoint_of(seat), shown);
    memcpy(sentinel->shown, primary, sizeof primary);
    log_event(LOG_INFO, "a sentinel tells where the primary of redis is",
              LOG_CSTR("primary", primary), LOG_CSTR("sentinel", shown));
}

/* ---- the end of asking one ---- */

static void ask_next(struct redis_sentinel *sentinel, int64_t now_us);

static struct seat *end_asked(struct redis_sentinel *sentinel)
{
    struct seat *seat = sentinel->asked;
    sentinel->asked = NULL;
    if (sentinel->link != NULL) {
        redis_link_close(&sentinel->link);
    }
    return seat;
}

static void pass_over(struct redis_sentinel *sentinel, const char *reason)
{
    report(end_asked(sentinel), reason);
    metrics_add(sentinel->metrics, METRIC_SENTINEL_FAILURES, 1);
    ask_next(sentinel, clock_mono_us());
}

static void tell(struct redis_sentinel *sentinel)
{
    struct seat *seat = end_asked(sentinel);
    assert(sentinel->order[sentinel->next - 1] == seat);
    for (size_t place = sentinel->next - 1; place > 0; place--) {
        sentinel->order[place] = sentinel->order[place - 1];
    }
    sentinel->order[0] = seat;
    seat->reported = NULL;
    report_primary(sentinel, seat);
    sentinel->owner.told(sentinel->owner.owner, &sentinel->told);
}

/* ---- its answers ---- */

/* What a refusal means where a sentinel is who refuses. */
static const char *refusal_words(const char *refusal)
{
    if (refusal == redis_refusal_no_password) {
        return "it wants a password (NOAUTH): give it in REDIS_URL as ?sentinel_password=";
    }
    if (refusal == redis_refusal_wrong_password) {
        return "it refuses sentinel_username or sentinel_password of REDIS_URL (WRONGPASS)";
    }
    if (refusal == redis_refusal_no_right) {
        return "sentinel_username of REDIS_URL lacks a right (NOPERM): "
               "SENTINEL|GET-MASTER-ADDR-BY-NAME";
    }
    return refusal == redis_refusal_unknown ? "it refuses to be asked: it may be no sentinel"
                                            : refusal;
}

static void auth_ended(void *sentinel, const struct redis_answer *answer)
{
    if (answer->outcome == REDIS_REFUSED) {
        bool unknown = answer->refusal == redis_refusal_unknown;
        pass_over(sentinel, unknown ? "it refuses sentinel_password of REDIS_URL: it may want none"
                                    : refusal_words(answer->refusal));
    }
}

static void parse_primary(void *sentinel_, size_t place, struct slice value)
{
    struct redis_sentinel *sentinel = sentinel_;
    struct redis_endpoint *told = &sentinel->told;
    sentinel->known = true;
    if (place == 1) {
        sentinel->port_valid = redis_url_parse_port(value, &told->port);
        return;
    }
    sentinel->host_valid = value.size < sizeof told->host && redis_url_host_valid(value);
    if (sentinel->host_valid) {
        memcpy(told->host, value.data, value.size);
        told->host[value.size] = '\0';
    }
}

static void primary_ended(void *sentinel_, const struct redis_answer *answer)
{
    struct redis_sentinel *sentinel = sentinel_;
    if (answer->outcome == REDIS_REFUSED) {
        pass_over(sentinel, refusal_words(answer->refusal));
    } else if (answer->outcome == REDIS_ANSWERED && !sentinel->known) {
        pass_over(sentinel, "it does not know the name of the primary in REDIS_URL");
    } else if (answer->outcome == REDIS_ANSWERED &&
               !(sentinel->host_valid && sentinel->port_valid)) {
        pass_over(sentinel, "its answer is no address");
    } else if (answer->outcome == REDIS_ANSWERED) {
        tell(sentinel);
    }
}

/* ---- asking one ---- */

static bool send_words(struct redis_sentinel *sentinel, struct redis_command command,
                       struct redis_words *words)
{
    command.data = sentinel;
    command.sent_us = clock_mono_us();
    return redis_link_send(sentinel->link, &command, words->count, words->at, words->sizes);
}

static bool send_auth(struct redis_sentinel *sentinel)
{
    struct redis_words words;
    redis_words_begin(&words, "AUTH");
    if (sentinel->url->sentinel_user[0] != '\0') {
        redis_words_add(&words, slice_of(sentinel->url->sentinel_user));
    }
    redis_words_add(&words, slice_of(sentinel->url->sentinel_password));
    return send_words(sentinel, (struct redis_command){.on_end = auth_ended}, &words);
}

static bool send_question(struct redis_sentinel *sentinel)
{
    struct redis_words words;
    redis_words_begin(&words, "SENTINEL");
    redis_words_add(&words, slice_of("GET-MASTER-ADDR-BY-NAME"));
    redis_words_add(&words, slice_of(sentinel->url->master_name));
    return send_words(sentinel,
                      (struct redis_command){.list_size = 2,
                                             .list_may_miss = true,
                                             .on_value = parse_primary,
                                             .on_end = primary_ended},
                      &words);
}

static void on_opened(void *sentinel_)
{
    struct redis_sentinel *sentinel = sentinel_;
    bool sent = (sentinel->url->sentinel_password[0] == '\0' || send_auth(sentinel)) &&
                send_question(sentinel);
    if (!sent) {
        pass_over(sentinel, "cannot send");
    }
}

static void on_failed(void *sentinel, const char *reason)
{
    pass_over(sentinel, reason);
}

static void lookup_found(void *seat_, const struct sockaddr *address)
{
    struct seat *seat = seat_;
    struct redis_sentinel *sentinel = seat->all;
    if (sentinel->asked != seat) {
        return; /* it took too long */
    }
    const struct redis_link_owner owner = {sentinel, on_opened, on_failed};
    const struct redis_link_target target = {
        .address = address, .tls = sentinel->tls, .host = endpoint_of(seat)->host};
    const char *reason;
    sentinel->link = redis_link_open(sentinel->loop, &target, &owner, &reason);
    if (sentinel->link == NULL) {
        pass_over(sentinel, reason);
    }
}

static void lookup_failed(void *seat_, const char *reason)
{
    struct seat *seat = seat_;
    if (seat->all->asked == seat) {
        pass_over(seat->all, reason);
    }
}

/* ---- asking all ---- */

static void ask_next(struct redis_sentinel *sentinel, int64_t now_us)
{
    while (sentinel->next < sentinel->count && sentinel->order[sentinel->next]->lookup.busy) {
        sentinel->next++;
    }
    if (sentinel->next == sentinel->count) {
        sentinel->owner.failed(sentinel->owner.owner,
                               "no sentinel of REDIS_URL tells where the primary is");
        return;
    }
    struct seat *seat = sentinel->order[sentinel->next++];
    const struct redis_endpoint *endpoint = endpoint_of(seat);
    sentinel->asked = seat;
    sentinel->known = sentinel->host_valid = sentinel->port_valid = false;
    sentinel->timeout_us = now_us + ANSWER_TIMEOUT_US;
    redis_lookup_begin(&seat->lookup, sentinel->loop, endpoint->host, endpoint->port,
                       &seat->attempt);
}

/* As the URL has them. */
static void take_seats(struct redis_sentinel *sentinel, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sentinel->order[i] = &sentinel->seats[i];
        sentinel->seats[i].reported = NULL;
    }
    sentinel->count = count;
}

void redis_sentinel_ask(struct redis_sentinel *sentinel, const struct redis_url *url,
                        struct redis_tls_context *tls, int64_t now_us)
{
    assert(sentinel->asked == NULL && !sentinel->closed);
    assert(url->sentinel_count > 0 && url->sentinel_count <= REDIS_SENTINELS_MAX);
    if (sentinel->count != url->sentinel_count) {
        take_seats(sentinel, url->sentinel_count);
    }
    sentinel->url = url;
    sentinel->tls = tls;
    sentinel->next = 0;
    ask_next(sentinel, now_us);
}

void redis_sentinel_distrust(struct redis_sentinel *sentinel)
{
    struct seat *first = sentinel->order[0];
    for (size_t place = 0; place + 1 < sentinel->count; place++) {
        sentinel->order[place] = sentinel->order[place + 1];
        sentinel->order[place + 1] = first;
    }
}

void redis_sentinel_tick(struct redis_sentinel *sentinel, int64_t now_us)
{
    if (sentinel->asked != NULL && now_us > sentinel->timeout_us) {
        pass_over(sentinel, "no answer in time");
    }
}

/* ---- life ---- */

struct redis_sentinel *redis_sentinel_create(uv_loop_t *loop, struct metrics *metrics,
                                             const struct redis_sentinel_owner *owner)
{
    struct redis_sentinel *sentinel = calloc(1, sizeof *sentinel);
    if (sentinel == NULL) {
        return NULL;
    }
    sentinel->loop = loop;
    sentinel->metrics = metrics;
    sentinel->owner = *owner;
    for (size_t i = 0; i < REDIS_SENTINELS_MAX; i++) {
        struct seat *seat = &sentinel->seats[i];
        seat->all = sentinel;
        seat->lookup.owner = seat;
        seat->lookup.found = lookup_found;
        seat->lookup.failed = lookup_failed;
    }
    return sentinel;
}

void redis_sentinel_close(struct redis_sentinel *sentinel)
{
    sentinel->closed = true;
    (void)end_asked(sentinel);
}

void redis_sentinel_destroy(struct redis_sentinel **sentinel)
{
    free(*sentinel);
    *sentinel = NULL;
}
