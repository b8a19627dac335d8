/* The contract's section 5 in plain words. */
#include "admission_model.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const struct model_settings no_settings = {.capacity = -1};

void model_init(struct model_event *event)
{
    *event = (struct model_event){.settings = no_settings};
}

void model_free(struct model_event *event)
{
    free(event->queue);
    free(event->is_in);
    *event = (struct model_event){.settings = no_settings};
}

bool model_is_in(const struct model_event *event, int user)
{
    return user < event->users_size && event->is_in[user];
}

int model_position(const struct model_event *event, int user)
{
    for (int i = 0; i < event->waiting; i++) {
        if (event->queue[i] == user) {
            return i + 1;
        }
    }
    return 0;
}

static void put_in(struct model_event *event, int user)
{
    if (user >= event->users_size) {
        int size = 2 * user + 16;
        event->is_in = realloc(event->is_in, (size_t)size * sizeof event->is_in[0]);
        assert(event->is_in != NULL);
        memset(event->is_in + event->users_size, 0,
               (size_t)(size - event->users_size) * sizeof event->is_in[0]);
        event->users_size = size;
    }
    event->is_in[user] = true;
    event->going++;
}

static void put_in_queue(struct model_event *event, int user)
{
    if (event->waiting == event->queue_size) {
        event->queue_size = 2 * event->queue_size + 16;
        event->queue = realloc(event->queue, (size_t)event->queue_size * sizeof event->queue[0]);
        assert(event->queue != NULL);
    }
    event->queue[event->waiting++] = user;
}

static void unqueue(struct model_event *event, int position)
{
    event->waiting--;
    for (int i = position - 1; i < event->waiting; i++) {
        event->queue[i] = event->queue[i + 1];
    }
}

/* How many seats are free; below 0 after the capacity was lowered. */
static int seats(const struct model_event *event)
{
    return event->settings.capacity < 0 ? INT_MAX : event->settings.capacity - event->going;
}

void model_promote(struct model_event *event, int max)
{
    event->promoting = false;
    while (event->waiting > 0 && seats(event) > 0 && event->settings.closes_at != MODEL_PAST) {
        if (max-- == 0) {
            event->promoting = true;
            return;
        }
        put_in(event, event->queue[0]);
        unqueue(event, 1);
    }
}

/* Nobody gets past those who wait. Who finds a free seat that nobody who waits can take gets into
 * the queue for it, even where there is no waiting list. */
struct model_answer model_join(struct model_event *event, int user)
{
    const bool closed =
        event->settings.opens_at == MODEL_FUTURE || event->settings.closes_at == MODEL_PAST;
    struct model_answer answer = {.verdict = MODEL_GOING};
    if (closed) {
        answer.verdict = MODEL_CLOSED;
    } else if (model_is_in(event, user)) {
        answer.changed = false;
    } else if (model_position(event, user) > 0) {
        answer.verdict = MODEL_WAITLISTED;
    } else if (event->waiting == 0 && seats(event) > 0) {
        put_in(event, user);
        answer.changed = true;
    } else if (event->settings.waitlist || seats(event) > event->waiting) {
        put_in_queue(event, user);
        answer.verdict = MODEL_WAITLISTED;
        answer.changed = true;
    } else {
        answer.verdict = MODEL_FULL;
    }
    answer.position = answer.verdict == MODEL_WAITLISTED ? model_position(event, user) : 0;
    answer.count = event->going;
    return answer;
}

struct model_answer model_join_past_capacity(struct model_event *event, int user)
{
    const int position = model_position(event, user);
    const bool changed = !model_is_in(event, user);
    if (position > 0) {
        unqueue(event, position);
    }
    if (changed) {
        put_in(event, user);
    }
    return (struct model_answer){.verdict = MODEL_GOING, .changed = changed, .count = event->going};
}

struct model_answer model_remove(struct model_event *event, int user)
{
    const int position = model_position(event, user);
    struct model_answer answer = {.verdict = MODEL_OUT,
                                  .changed = position > 0 || model_is_in(event, user)};
    if (position > 0) {
        unqueue(event, position);
    } else if (answer.changed) {
        event->is_in[user] = false;
        event->going--;
    }
    answer.count = event->going;
    return answer;
}

struct model_answer model_leave(struct model_event *event, int user)
{
    struct model_answer answer = model_remove(event, user);
    model_promote(event, 1);
    answer.count = event->going;
    return answer;
}

void model_step(struct model_event *event)
{
    model_promote(event, event->step_max > 0 ? event->step_max : INT_MAX);
    if (event->clearing && event->waiting == 0) {
        event->has_settings = false;
        event->clearing = false;
    }
}

static void set(struct model_event *event, const struct model_settings *settings, bool clearing)
{
    event->has_settings = true;
    event->settings = *settings;
    event->clearing = clearing;
    model_step(event);
}

void model_configure(struct model_event *event, const struct model_settings *settings)
{
    set(event, settings, false);
}

void model_release(struct model_event *event)
{
    set(event, &no_settings, true);
}
