/* rsvpd_watchers: clients that watch counts of the crowd for as long as a drill goes on, and come
 * back wherever their stream ends, as a browser's EventSource does.
 *
 * usage: rsvpd_watchers PORT CERTIFICATE STREAMS CROWD REPORT
 *
 * Asks https://127.0.0.1:PORT, whose certificate CERTIFICATE signs, by HTTP/2 for STREAMS streams
 * of what a crowd of CROWD clients changes. HEADER in the environment is a line that every request
 * carries, DATABASE_URL the database as its owner, before anything is written there. Says "opened"
 * when each stream was told a count. Standard input tells it what to do:
 *
 *   stop          counts change no more: waits until each stream was told the last one
 *
 * Ends with status 1 as soon as a stream tells what cannot be true, or once the history in the
 * database says so, or where a stream does not come to its last count. REPORT then has the figures
 * as JSON:
 *
 *   opened        streams that began, those that came back with them
 *   ended, cut    those that ended as they should, and otherwise
 *   refused       attempts that were not answered by a stream
 *   events, comments, stale: what was told
 *   repeated      events that told what the stream had told last: it was stale in between
 *   older         events of a stream that came back with a version before one that its reader knew
 *   away_ms       from the end of a stream until it was back: p50, p99, max
 *   silence_ms    the longest time in which a stream was sent nothing
 *   last_ms       how long after "stop" the last stream was told the last count
 *
 * DESIGN: All of it is in one thread, because tests/support fails a test from the main thread only.
 * What was told is kept by version, for each thing once: two streams that tell two counts of a
 * version contradict each other at once. */
#include <curl/curl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "count_history.h"
#include "event_text.h"
#include "load.h"
#include "process.h"
#include "relation.h"
#include "test.h"

enum {
    NAME_SIZE = 32,
    URL_SIZE = 128,
    LINE_SIZE = 64,
    NO_VERSION = -1,
    NO_COUNT = -1,
    POLL_MS = 50,
    OPEN_BOUND_MS = 120000,
    LAST_BOUND_MS = 60000,
    RETRY_MS = 1000, /* where a stream has told none */
    OPENING_MAX = 100,
    AWAY_MAX_MS = 120000,
};

/* What is watched, and what was told of it. */
struct thing {
    const struct relation *relation;
    char id[NAME_SIZE];
    int64_t *counts; /* by version; NO_COUNT: was not told */
    size_t versions;
    int64_t last; /* version, once nothing changes any more; NO_VERSION before */
};

struct watcher {
    CURL *easy;
    struct curl_slist *headers; /* of its request */
    struct thing *thing;
    struct event_text text;
    bool open, told;      /* its request is on its way; the first event was told */
    bool back;            /* it is a stream, and told something */
    bool stale;           /* what it was told last */
    int64_t version;      /* that it knows; NO_VERSION: none */
    int64_t version_here; /* that this stream told; NO_VERSION: none */
    int64_t heard_us;     /* when anything came last */
    int64_t ended_us;     /* the one before; 0: there was none */
    int64_t resume_us;    /* not open: then it asks */
};

static struct options {
    unsigned port, streams, crowd;
    const char *certificate, *report, *header, *database_url;
} options;

static struct figures {
    uint64_t opened, ended, cut, refused, events, comments, stale, older, repeated;
    int64_t silence_us, last_us;
    uint32_t away_ms[AWAY_MAX_MS + 1]; /* how often, by milliseconds */
    char failure[256];                 /* the last cut or refusal; "": there was none */
} figures;

static struct thing *things;
static struct watcher *watchers;
static size_t thing_count, told_count;
static unsigned opening;
static CURLM *multi;

/* ---- what was told ---- */

/* Of the crowd's things, the hot ones and those of each client (tests/fault/ledger.c). */
static void name_things(void)
{
    thing_count = ((size_t)options.crowd + 1) * RELATION_COUNT;
    things = calloc(thing_count, sizeof *things);
    for (size_t i = 0; i < thing_count; i++) {
        things[i] = (struct thing){.relation = &relations[i % RELATION_COUNT], .last = NO_VERSION};
        const size_t client = i / RELATION_COUNT;
        if (client == options.crowd) {
            snprintf(things[i].id, NAME_SIZE, "hot");
        } else {
            snprintf(things[i].id, NAME_SIZE, "own-%zu", client);
        }
    }
}

static void keep_count(struct thing *thing, int64_t version, int64_t count)
{
    const size_t index = (size_t)version;
    if (index >= thing->versions) {
        const size_t size = 2 * index + 64;
        thing->counts = realloc(thing->counts, size * sizeof *thing->counts);
        assert_non_null(thing->counts);
        for (size_t i = thing->versions; i < size; i++) {
            thing->counts[i] = NO_COUNT;
        }
        thing->versions = size;
    }
    if (thing->counts[index] != NO_COUNT && thing->counts[index] != count) {
        process_fail("two streams told two counts of version %lld of %s %s: %lld and %lld",
                     (long long)version, thing->relation->name, thing->id,
                     (long long)thing->counts[index], (long long)count);
    }
    thing->counts[index] = count;
}

static void take_event(struct watcher *watcher, const struct event_stream_event *event)
{
    struct thing *thing = watcher->thing;
    char *end;
    const int64_t version = strtoll(event->id, &end, 10);
    const json_t *count = json_object_get(event->json, thing->relation->count_member);
    const bool stale = json_is_true(json_object_get(event->json, "stale"));
    if (end == event->id || *end != '\0' || version < 0 || !json_is_integer(count)) {
        process_fail("this is no event of a count: %s %s", event->id, event->data);
    } else if (version < watcher->version_here) {
        process_fail("a stream of %s %s told version %lld after version %lld",
                     thing->relation->name, thing->id, (long long)version,
                     (long long)watcher->version_here);
    }
    keep_count(thing, version, json_integer_value(count));
    figures.events++;
    figures.stale += stale;
    figures.older += version < watcher->version;
    figures.repeated += version == watcher->version_here && stale == watcher->stale;
    watcher->version = watcher->version_here = version;
    watcher->stale = stale;
    told_count += !watcher->told;
    watcher->told = true;
}

static void note_back(struct watcher *watcher, int64_t now_us)
{
    watcher->back = true;
    figures.opened++;
    opening--;
    if (watcher->ended_us != 0) {
        const int64_t away_ms = (now_us - watcher->ended_us) / 1000;
        figures.away_ms[away_ms < AWAY_MAX_MS ? away_ms : AWAY_MAX_MS]++;
    }
}

static void note_sound(struct watcher *watcher, int64_t now_us)
{
    const int64_t silence_us = now_us - watcher->heard_us;
    figures.silence_us = silence_us > figures.silence_us ? silence_us : figures.silence_us;
    watcher->heard_us = now_us;
}

static size_t take_bytes(char *bytes, size_t size, size_t count, void *context)
{
    struct watcher *watcher = context;
    struct event_stream_event event;
    const int64_t now_us = load_now_us();
    long status = 0;
    curl_easy_getinfo(watcher->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        return size * count;
    }
    if (!watcher->back) {
        note_back(watcher, now_us);
    } else {
        note_sound(watcher, now_us);
    }
    watcher->heard_us = now_us;
    event_text_add(&watcher->text, bytes, size * count);
    while (event_text_next(&watcher->text, &event)) {
        take_event(watcher, &event);
        event_stream_clear(&event);
    }
    return size * count;
}

/* ---- coming and going ---- */

static void make_watcher(struct watcher *watcher, unsigned number)
{
    char url[URL_SIZE];
    struct thing *thing = &things[number % thing_count];
    *watcher = (struct watcher){
        .easy = curl_easy_init(), .thing = thing, .version = NO_VERSION, .text.retry_ms = -1};
    assert_non_null(watcher->easy);
    snprintf(url, sizeof url, "https://127.0.0.1:%u/v1/%s/%s/%s/stream", options.port,
             thing->relation->collection, thing->id, thing->relation->count_member);
    curl_easy_setopt(watcher->easy, CURLOPT_URL, url);
    curl_easy_setopt(watcher->easy, CURLOPT_PRIVATE, watcher);
    curl_easy_setopt(watcher->easy, CURLOPT_WRITEFUNCTION, take_bytes);
    curl_easy_setopt(watcher->easy, CURLOPT_WRITEDATA, watcher);
    curl_easy_setopt(watcher->easy, CURLOPT_CAINFO, options.certificate);
    curl_easy_setopt(watcher->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
    curl_easy_setopt(watcher->easy, CURLOPT_PIPEWAIT, 1L); /* many streams to a connection */
    curl_easy_setopt(watcher->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(watcher->easy, CURLOPT_PROXY, "");
}

static void open_watcher(struct watcher *watcher)
{
    char line[LINE_SIZE];
    curl_slist_free_all(watcher->headers);
    watcher->headers = curl_slist_append(NULL, options.header);
    if (watcher->version != NO_VERSION) {
        snprintf(line, sizeof line, "Last-Event-ID: %lld", (long long)watcher->version);
        watcher->headers = curl_slist_append(watcher->headers, line);
    }
    curl_easy_setopt(watcher->easy, CURLOPT_HTTPHEADER, watcher->headers);
    watcher->version_here = NO_VERSION;
    watcher->open = true;
    watcher->back = false;
    opening++;
    assert_int_equal(curl_multi_add_handle(multi, watcher->easy), CURLM_OK);
}

/* It ended, or was never one. */
static void close_watcher(struct watcher *watcher, CURLcode result)
{
    const int64_t now_us = load_now_us();
    const long retry_ms = watcher->text.retry_ms >= 0 ? watcher->text.retry_ms : (long)RETRY_MS;
    long status = 0;
    curl_easy_getinfo(watcher->easy, CURLINFO_RESPONSE_CODE, &status);
    const bool cut = watcher->back && (result != CURLE_OK || watcher->text.size > 0);
    figures.ended += watcher->back && !cut;
    figures.cut += cut;
    figures.refused += !watcher->back;
    opening -= !watcher->back;
    if (cut || !watcher->back) {
        snprintf(figures.failure, sizeof figures.failure, "status %ld, %s", status,
                 curl_easy_strerror(result));
    }
    if (watcher->back) {
        watcher->ended_us = now_us;
    }
    figures.comments += watcher->text.comments;
    event_text_reset(&watcher->text);
    watcher->open = watcher->back = false;
    watcher->resume_us = now_us + retry_ms * 1000;
}

/* A part of what there is to do; returns after a moment. */
static void go_on(void)
{
    int running, left;
    CURLMsg *message;
    const int64_t now_us = load_now_us();
    for (unsigned i = 0; i < options.streams && opening < OPENING_MAX; i++) {
        if (!watchers[i].open && watchers[i].resume_us <= now_us) {
            open_watcher(&watchers[i]);
        }
    }
    struct curl_waitfd input = {.fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN};
    curl_multi_poll(multi, &input, 1, POLL_MS, NULL);
    curl_multi_perform(multi, &running);
    while ((message = curl_multi_info_read(multi, &left)) != NULL) {
        struct watcher *watcher;
        CURL *easy = message->easy_handle;
        const CURLcode result = message->data.result;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &watcher);
        curl_multi_remove_handle(multi, easy);
        close_watcher(watcher, result);
    }
}

/* ---- the end ---- */

/* Whether the next line of standard input has come. It is the only one. */
static bool is_told_to_stop(void)
{
    char line[LINE_SIZE];
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    if (poll(&input, 1, 0) <= 0) {
        return false;
    }
    const ssize_t size = read(STDIN_FILENO, line, sizeof line);
    if (size <= 0 || strncmp(line, "stop\n", (size_t)size) != 0) {
        process_fail("standard input does not say when to stop");
    }
    return true;
}

/* What was told must be what was committed. */
static void judge_thing(struct thing *thing)
{
    struct count_history history =
        count_history_read(options.database_url, thing->relation, thing->id);
    size_t at = 0;
    for (size_t version = 0; version < thing->versions; version++) {
        if (thing->counts[version] == NO_COUNT) {
            continue;
        }
        while (at < history.size && history.versions[at].version < (int64_t)version) {
            at++;
        }
        if (at == history.size || history.versions[at].version != (int64_t)version ||
            history.versions[at].count != thing->counts[version]) {
            process_fail("version %zu of %s %s was told to be %lld, which it never was", version,
                         thing->relation->name, thing->id, (long long)thing->counts[version]);
        }
    }
    thing->last = count_history_last(&history).version;
    count_history_free(&history);
}

/* The first who does not know the last version; NULL: there is none. */
static const struct watcher *find_behind(void)
{
    for (unsigned i = 0; i < options.streams; i++) {
        if (watchers[i].version != watchers[i].thing->last) {
            return &watchers[i];
        }
    }
    return NULL;
}

static void await_last_counts(void)
{
    const int64_t start_us = load_now_us();
    const struct watcher *behind;
    for (size_t i = 0; i < thing_count; i++) {
        judge_thing(&things[i]);
    }
    while ((behind = find_behind()) != NULL) {
        if (load_now_us() > start_us + (int64_t)LAST_BOUND_MS * 1000) {
            process_fail("a stream of %s %s ends at version %lld, and the last is %lld",
                         behind->thing->relation->name, behind->thing->id,
                         (long long)behind->version, (long long)behind->thing->last);
        }
        go_on();
    }
    figures.last_us = load_now_us() - start_us;
    for (size_t i = 0; i < thing_count; i++) {
        judge_thing(&things[i]);
    }
}

/* The first at which so large a part of those who were away was back. */
static int away_ms(double part)
{
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i <= AWAY_MAX_MS; i++) {
        all += figures.away_ms[i];
    }
    for (int i = 0; i <= AWAY_MAX_MS; i++) {
        seen += figures.away_ms[i];
        if (all > 0 && (double)seen >= part * (double)all) {
            return i;
        }
    }
    return 0;
}

static void write_report(void)
{
    for (unsigned i = 0; i < options.streams; i++) {
        figures.comments += watchers[i].text.comments;
    }
    json_t *root = json_pack(
        "{sI sI sI sI sI sI sI sI sI s{si si si} sI sI ss}", "opened", (json_int_t)figures.opened,
        "ended", (json_int_t)figures.ended, "cut", (json_int_t)figures.cut, "refused",
        (json_int_t)figures.refused, "events", (json_int_t)figures.events, "comments",
        (json_int_t)figures.comments, "stale", (json_int_t)figures.stale, "older",
        (json_int_t)figures.older, "repeated", (json_int_t)figures.repeated, "away_ms", "p50",
        away_ms(0.5), "p99", away_ms(0.99), "max", away_ms(1), "silence_ms",
        (json_int_t)(figures.silence_us / 1000), "last_ms", (json_int_t)(figures.last_us / 1000),
        "failure", figures.failure);
    assert_int_equal(json_dump_file(root, options.report, JSON_INDENT(1)), 0);
    json_decref(root);
}

static void say(const char *word)
{
    puts(word);
    (void)fflush(stdout);
}

static void run(NO_STATE)
{
    const int64_t start_ms = process_now_ms();
    count_history_watch(options.database_url);
    name_things();
    multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
    watchers = calloc(options.streams, sizeof *watchers);
    for (unsigned i = 0; i < options.streams; i++) {
        make_watcher(&watchers[i], i);
    }
    while (told_count < options.streams) {
        if (process_now_ms() - start_ms > OPEN_BOUND_MS) {
            process_fail("only %zu streams were told a count: %s", told_count, figures.failure);
        }
        go_on();
    }
    say("opened");
    while (!is_told_to_stop()) {
        go_on();
    }
    await_last_counts();
    write_report();
    say("stopped");
}

static int clean_up(NO_STATE)
{
    for (unsigned i = 0; watchers != NULL && i < options.streams; i++) {
        if (watchers[i].open) {
            curl_multi_remove_handle(multi, watchers[i].easy);
        }
        curl_easy_cleanup(watchers[i].easy);
        curl_slist_free_all(watchers[i].headers);
        event_text_free(&watchers[i].text);
    }
    for (size_t i = 0; i < thing_count; i++) {
        free(things[i].counts);
    }
    (void)curl_multi_cleanup(multi);
    free(watchers);
    free(things);
    return 0;
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(run, clean_up)};
    if (count != 6) {
        fprintf(stderr, "usage: rsvpd_watchers PORT CERTIFICATE STREAMS CROWD REPORT\n");
        return 2;
    }
    options = (struct options){.port = (unsigned)strtoul(arguments[1], NULL, 10),
                               .certificate = arguments[2],
                               .streams = (unsigned)strtoul(arguments[3], NULL, 10),
                               .crowd = (unsigned)strtoul(arguments[4], NULL, 10),
                               .report = arguments[5],
                               .header = getenv("HEADER"),
                               .database_url = getenv("DATABASE_URL")};
    return cmocka_run_group_tests_name("watchers", tests, NULL, NULL) > 0;
}
