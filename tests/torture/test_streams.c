/* Streams of counts while one call at a time fails: one that ends is opened again, none tells a
 * count that never was or goes back, each is told the last one, and nothing is leaked. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event_stream.h"
#include "fixture.h"
#include "process.h"
#include "steps.h"
#include "test.h"
#include "torture.h"

enum { BUDGET_STREAMS = 3, LINES_SIZE = 96 };

static const struct step first_write[] = {
    {"POST", "/v1/events/$a/rsvp?user_id=$u1", NULL, NULL, 201, "{\"rsvp_count\":1}"}};
static const struct step second_write[] = {
    {"POST", "/v1/events/$a/rsvp?user_id=$u2", NULL, NULL, 201, "{\"rsvp_count\":2}"},
    {"POST", "/v1/events/$b/rsvp?user_id=$u2", NULL, NULL, 201, "{\"rsvp_count\":1}"}};

/* A reader who comes back, as a browser does. */
struct watcher {
    const char *target;
    bool of_one;
    struct event_stream *stream; /* NULL: not open */
    char last_id[64];            /* "": none */
    json_int_t a, b;             /* the last counts told; -1: none yet */
};

static void close_watcher(struct watcher *watcher)
{
    event_stream_close(&watcher->stream);
}

/* Another answer than a stream, or none, is right only once a call has failed. */
static void open_watcher(struct watcher *watcher)
{
    char target[STEPS_TEXT_SIZE], lines[LINES_SIZE] = "";
    if (watcher->last_id[0] != '\0') {
        snprintf(lines, sizeof lines, "Last-Event-ID: %s\r\n", watcher->last_id);
    }
    watcher->stream =
        event_stream_try_open(fixture.service->port, steps_own(watcher->target, target), lines);
    const int status = watcher->stream == NULL ? 0 : watcher->stream->status;
    if (status == 200) {
        return;
    }
    if (!atomic_load(&torture_control->failed) || (status != 0 && status != 500 && status != 503)) {
        process_fail("%s: %d where a stream was asked for", target, status);
    }
    close_watcher(watcher);
}

static void note_count(const struct watcher *watcher, const struct event_stream_event *event,
                       json_int_t *last, json_int_t most)
{
    const json_t *count = json_object_get(event->json, "rsvp_count");
    if (!json_is_integer(count) || json_integer_value(count) < *last ||
        json_integer_value(count) > most) {
        process_fail("%s: told %s after %" JSON_INTEGER_FORMAT, watcher->target, event->data,
                     *last);
    }
    *last = json_integer_value(count);
}

static void note_event(struct watcher *watcher, const struct event_stream_event *event)
{
    char a[STEPS_TEXT_SIZE];
    const char *id = json_string_value(json_object_get(event->json, "event_id"));
    assert_string_equal(event->type, "rsvp_count");
    assert_non_null(id);
    if (strcmp(id, steps_own("$a", a)) == 0) {
        note_count(watcher, event, &watcher->a, 2);
    } else {
        note_count(watcher, event, &watcher->b, 1);
    }
    if (watcher->of_one) {
        snprintf(watcher->last_id, sizeof watcher->last_id, "%s", event->id);
    } else {
        assert_string_equal(event->id, "");
    }
}

/* Reads until these counts were told, opening the stream again where it ended. */
static void await_counts(struct watcher *watcher, json_int_t a, json_int_t b)
{
    struct event_stream_event event;
    const int64_t end_ms = process_now_ms() + STEPS_RECOVERS_WITHIN_MS;
    while (watcher->a != a || watcher->b != b) {
        if (steps_service_ended() || process_now_ms() > end_ms) {
            process_fail("%s: not told of the last counts", watcher->target);
        }
        if (watcher->stream == NULL) {
            open_watcher(watcher);
        } else if (event_stream_next(watcher->stream, 100, &event)) {
            note_event(watcher, &event);
            event_stream_clear(&event);
        } else if (watcher->stream->ended || watcher->stream->fd < 0) {
            assert_true(atomic_load(&torture_control->failed));
            close_watcher(watcher);
        }
        if (watcher->stream == NULL) {
            process_nap();
        }
    }
}

static void run_streams(void)
{
    struct watcher one = {"/v1/events/$a/rsvp_count/stream", true, .a = -1, .b = 0};
    struct watcher two = {"/v1/rsvp_counts/stream?event_id=$a&event_id=$b", .a = -1, .b = -1};
    steps_begin_run();
    await_counts(&one, 0, 0);
    steps_take(first_write, sizeof first_write / sizeof first_write[0], false);
    await_counts(&two, 1, 0);
    steps_take(second_write, sizeof second_write / sizeof second_write[0], false);
    await_counts(&one, 2, 0);
    await_counts(&two, 2, 1);
    close_watcher(&one);
    close_watcher(&two);
    steps_finish_run();
}

static void streams(void **state)
{
    const enum fail_group group = (enum fail_group)(uintptr_t)*state;
    steps_start_service();
    struct torture_tally tally = torture_each(group, BUDGET_STREAMS, run_streams);
    process_note("it ends, after one of all these calls had failed");
    service_stop(&fixture.service);
    torture_report("streams", &tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEPS_GROUP_TEST(streams, MEMORY),  STEPS_GROUP_TEST(streams, LIBPQ),
        STEPS_GROUP_TEST(streams, HIREDIS), STEPS_GROUP_TEST(streams, MICROHTTPD),
        STEPS_GROUP_TEST(streams, LIBUV),
    };
    return cmocka_run_group_tests(tests, steps_set_up, steps_tear_down);
}
