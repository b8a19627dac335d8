/* The contract's section 5 in plain words. */
#include "admission_model.h"

static const struct model_settings no_settings = {.capacity = -1};

void model_init(struct model_event *event)
{
    *event = (struct model_event){.settings = no_settings};
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
    event->is_in[user] = true;
    event->going++;
}

static void unqueue(struct model_event *event, int position)
{
    event->waiting--;
    for (int i = position - 1; i < event->waiting; i++) {
        event->queue[i] = event->queue[i + 1];
    }
}

static bool has_seat(const struct model_event *event)
{
    return event->settings.capacity < 0 || event->going < event->settings.capacity;
}

/* Whoever has waited longest moves in while there is room, unless the event has closed. */
static void promote(struct model_event *event)
{
    while (event->waiting > 0 && has_seat(event) && event->settings.closes_at != MODEL_PAST) {
        put_in(event, event->queue[0]);
        unqueue(event, 1);
    }
}

struct model_answer model_join(struct model_event *event, int user)
{
    const bool closed =
        event->settings.opens_at == MODEL_FUTURE || event->settings.closes_at == MODEL_PAST;
    struct model_answer answer = {.verdict = MODEL_GOING};
    if (closed) {
        answer.verdict = MODEL_CLOSED;
    } else if (event->is_in[user]) {
        answer.changed = false;
    } else if (model_position(event, user) > 0) {
        answer.verdict = MODEL_WAITLISTED;
    } else if (has_seat(event)) {
        put_in(event, user);
        answer.changed = true;
    } else if (event->settings.waitlist) {
        event->queue[event->waiting++] = user;
        answer.verdict = MODEL_WAITLISTED;
        answer.changed = true;
    } else {
        answer.verdict = MODEL_FULL;
    }
    answer.position = answer.verdict == MODEL_WAITLISTED ? model_position(event, user) : 0;
    answer.count = event->going;
    return answer;
}

struct model_answer model_leave(struct model_event *event, int user)
{
    const int position = model_position(event, user);
    struct model_answer answer = {.verdict = MODEL_OUT,
                                  .changed = position > 0 || event->is_in[user]};
    if (position > 0) {
        unqueue(event, position);
    } else if (event->is_in[user]) {
        event->is_in[user] = false;
        event->going--;
    }
    promote(event);
    answer.count = event->going;
    return answer;
}

void model_configure(struct model_event *event, const struct model_settings *settings)
{
    event->has_settings = true;
    event->settings = *settings;
    promote(event);
}

void model_release(struct model_event *event)
{
    model_configure(event, &no_settings);
    event->has_settings = false;
}
