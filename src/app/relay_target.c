/* Where the relay hands changes to. */
#include "rsvpd/app/relay_target.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/webhook.h"
#include "rsvpd/store/fetch.h"
#include "rsvpd/store/webhook_post.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { AROUND_SIZE_BYTES = 128, LOOK_EVERY_MS = 200 };

struct relay_target {
    struct secret *place, *secret;
    struct http_post *post; /* NULL: standard output */
    _Atomic bool cancelled;

    /* Of the batch that is being delivered. */
    size_t written;   /* to standard output */
    struct text body; /* of the webhook, the same for all attempts; empty: not made yet */
    char id[WEBHOOK_ID_SIZE_BYTES];
};

bool relay_target_is_output(const char *value)
{
    return strcmp(value, "-") == 0;
}

bool relay_target_is_webhook(const char *value)
{
    char ignored[FETCH_ERROR_SIZE_BYTES];
    return strchr(value, '@') == NULL &&
           fetch_url_valid(value, ignored); /* no user, as at the start */
}

struct relay_target *relay_target_create(struct secret *place, struct secret *secret)
{
    struct relay_target *target = calloc(1, sizeof *target);
    if (target == NULL) {
        return NULL;
    }
    char *url = secret_now(place);
    bool is_output = url != NULL && relay_target_is_output(url);
    free(url);
    target->place = place;
    target->secret = secret;
    target->post = is_output ? NULL : webhook_post_create(&target->cancelled);
    if (url == NULL || (!is_output && target->post == NULL)) {
        relay_target_destroy(&target);
    }
    return target;
}

void relay_target_destroy(struct relay_target **target)
{
    if (*target != NULL) {
        http_post_destroy(&(*target)->post);
        free((*target)->body.data);
        free(*target);
        *target = NULL;
    }
}

void relay_target_cancel(struct relay_target *target)
{
    atomic_store(&target->cancelled, true);
}

void relay_target_begin(struct relay_target *target)
{
    target->written = 0;
    target->body.size = 0;
}

/* ---- standard output ---- */

/* Whether it takes bytes now; waits for it a moment. What is no pipe and no terminal always
 * does. */
static bool is_writable(void)
{
    struct pollfd output = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return poll(&output, 1, LOOK_EVERY_MS) != 0;
}

/* As many whole lines as a pipe that is writable takes at once, without blocking (pipe(7),
 * PIPE_BUF): a relay that is killed between two writes leaves no half of a line, which the next
 * relay would write its first line behind. */
static size_t size_of_write(struct slice lines)
{
    static_assert(FEED_LINE_SIZE_MAX_BYTES <= PIPE_BUF, "any line fits");
    size_t size = lines.size;
    if (size > PIPE_BUF) {
        size = PIPE_BUF;
        while (lines.data[size - 1] != '\n') {
            size--;
        }
    }
    return size;
}

static enum relay_delivery write_lines(struct relay_target *target, struct slice lines,
                                       char reason[RELAY_REASON_SIZE_BYTES])
{
    while (target->written < lines.size) {
        if (atomic_load(&target->cancelled)) {
            snprintf(reason, RELAY_REASON_SIZE_BYTES, "the relay ends");
            return RELAY_LATER;
        }
        if (!is_writable()) {
            continue;
        }
        struct slice left = slice_skip(lines, target->written);
        ssize_t size = write(STDOUT_FILENO, left.data, size_of_write(left));
        if (size < 0 && errno != EINTR && errno != EAGAIN) {
            /* NOLINTNEXTLINE(concurrency-mt-unsafe): glibc's strerror is safe since 2.32 */
            snprintf(reason, RELAY_REASON_SIZE_BYTES, "cannot write to standard output: %s",
                     strerror(errno));
            return RELAY_ENDS;
        }
        target->written += size > 0 ? (size_t)size : 0;
    }
    return RELAY_CONFIRMED;
}

/* ---- webhooks ---- */

/* The lines become the members of an array: none holds a line end, since JSON escapes it. */
static bool make_body(struct relay_target *target, struct slice lines)
{
    size_t capacity = lines.size + AROUND_SIZE_BYTES;
    if (target->body.capacity < capacity) {
        char *bytes = malloc(capacity);
        if (bytes == NULL) {
            return false; /* and the next attempt needs as much */
        }
        free(target->body.data);
        target->body = text_over(bytes, capacity);
    }
    if (!webhook_id(lines, target->id)) {
        return false;
    }
    struct text *body = &target->body;
    text_add_cstr(body, "{\"type\":\"batch\",\"timestamp\":\"");
    text_add_time(body, clock_now().wall_us / 1000);
    text_add_cstr(body, "\",\"data\":{\"changes\":[");
    size_t begin = body->size;
    text_add(body, slice_make(lines.data, lines.size - 1));
    for (size_t i = begin; i < body->size; i++) {
        if (body->data[i] == '\n') {
            body->data[i] = ',';
        }
    }
    text_add_cstr(body, "]}}");
    assert(!body->truncated);
    return true;
}

static bool read_secrets(struct relay_target *target, struct webhook_secrets *secrets)
{
    char *value = secret_now(target->secret);
    bool read = value != NULL && webhook_secrets_parse(slice_of(value), secrets);
    free(value);
    return read;
}

static enum relay_delivery post_to(const char *url, struct relay_target *target, struct slice lines,
                                   char reason[RELAY_REASON_SIZE_BYTES], int64_t *after_s)
{
    struct webhook_secrets secrets;
    char signature[WEBHOOK_SIGNATURE_SIZE_BYTES];
    int64_t now_s = clock_now().wall_us / 1000000;
    if ((target->body.size == 0 && !make_body(target, lines)) || !read_secrets(target, &secrets) ||
        !webhook_sign(&secrets, target->id, now_s, text_slice(&target->body), signature)) {
        snprintf(reason, RELAY_REASON_SIZE_BYTES, "not enough memory");
        return RELAY_LATER;
    }
    const struct webhook_message message = {.url = url,
                                            .id = target->id,
                                            .signature = signature,
                                            .timestamp_s = now_s,
                                            .body = text_slice(&target->body)};
    switch (webhook_post_send(target->post, &message, reason, after_s)) {
    case WEBHOOK_POST_TAKEN:
        return RELAY_CONFIRMED;
    case WEBHOOK_POST_GONE:
        return RELAY_ENDS;
    case WEBHOOK_POST_LATER:
        break;
    }
    return RELAY_LATER;
}

static enum relay_delivery post(struct relay_target *target, struct slice lines,
                                char reason[RELAY_REASON_SIZE_BYTES], int64_t *after_s)
{
    char *url = secret_now(target->place);
    enum relay_delivery delivery = RELAY_LATER;
    snprintf(reason, RELAY_REASON_SIZE_BYTES, "not enough memory");
    if (url != NULL) {
        delivery = post_to(url, target, lines, reason, after_s);
    }
    free(url);
    return delivery;
}

enum relay_delivery relay_target_deliver(struct relay_target *target,
                                         const struct feed_batch *batch,
                                         char reason[RELAY_REASON_SIZE_BYTES], int64_t *after_s)
{
    struct slice lines = text_slice(&batch->lines);
    assert(batch->count > 0);
    *after_s = 0;
    return target->post == NULL ? write_lines(target, lines, reason)
                                : post(target, lines, reason, after_s);
}
