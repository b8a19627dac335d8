/* Delivers one batch after the other to the relay's target. */
#include "rsvpd/app/relay_delivery.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/log.h"

#include <assert.h>

enum {
    PAUSE_MIN_US = 2 * 1000 * 1000,
    PAUSE_MAX_US = 5 * 60 * 1000 * 1000,
    AFTER_MAX_S = 60 * 60, /* a target that asks for more is asked again all the same */
    END_MS = 5 * 1000,
};

static void begin(struct relay_deliverer *deliverer);

static void come_to_rest(struct relay_deliverer *deliverer)
{
    uv_timer_stop(&deliverer->pause);
    uv_close((uv_handle_t *)&deliverer->pause, NULL);
    deliverer->setup.ended(deliverer->setup.owner);
}

static void on_pause_over(uv_timer_t *pause)
{
    begin(pause->data);
}

/* The first pause is one to two seconds, each is twice as long as the one before, up to
 * five minutes. A target that says when to come back is asked then. */
static void pause_delivery(struct relay_deliverer *deliverer)
{
    int64_t now_us = clock_mono_us();
    uint64_t random = random_next(&deliverer->random);
    breaker_failure(&deliverer->breaker, now_us, random);
    int64_t pause_us = deliverer->breaker.retry_at_us - now_us;
    if (deliverer->after_s > 0) {
        int64_t after_s = deliverer->after_s < AFTER_MAX_S ? deliverer->after_s : AFTER_MAX_S;
        pause_us = after_s * 1000000 + (int64_t)(random % (PAUSE_MIN_US / 2));
    }
    uv_timer_start(&deliverer->pause, on_pause_over, (uint64_t)(pause_us / 1000), 0);
    log_event(LOG_WARN, "the target did not take a batch: sending it again",
              LOG_CSTR("reason", deliverer->reason), LOG_INT("changes", deliverer->batch->count),
              LOG_USEC("pause_ms", pause_us));
}

static void confirm(struct relay_deliverer *deliverer)
{
    struct metrics *metrics = deliverer->setup.metrics;
    for (size_t type = 0; type < CHANGE_TYPE_COUNT; type++) {
        metrics_add(metrics, METRIC_RELAY_CHANGES + (enum metric)type,
                    deliverer->batch->counts[type]);
    }
    metrics_add(metrics, METRIC_RELAY_BATCHES_CONFIRMED, 1);
    metrics_set(metrics, METRIC_RELAY_CONFIRMED_AT, (uint64_t)clock_now().wall_us);
    breaker_success(&deliverer->breaker);
    deliverer->batch = NULL;
    feed_confirm(deliverer->setup.feed);
    deliverer->setup.confirmed(deliverer->setup.owner);
}

static void deliver_on_thread(uv_work_t *work)
{
    struct relay_deliverer *deliverer = work->data;
    deliverer->result = relay_target_deliver(deliverer->setup.target, deliverer->batch,
                                             deliverer->reason, &deliverer->after_s);
}

static void on_delivered(uv_work_t *work, int status)
{
    struct relay_deliverer *deliverer = work->data;
    assert(status == 0 && deliverer->busy); /* nobody cancels it */
    deliverer->busy = false;
    if (deliverer->result == RELAY_CONFIRMED) {
        confirm(deliverer);
    } else {
        metrics_add(deliverer->setup.metrics, METRIC_RELAY_BATCHES_FAILED, 1);
    }
    if (deliverer->ending) {
        come_to_rest(deliverer);
    } else if (deliverer->result == RELAY_LATER) {
        pause_delivery(deliverer);
    } else if (deliverer->result == RELAY_ENDS) {
        deliverer->setup.hopeless(deliverer->setup.owner, deliverer->reason);
    }
}

static void begin(struct relay_deliverer *deliverer)
{
    assert(!deliverer->busy && !deliverer->ending);
    deliverer->busy = true;
    deliverer->work.data = deliverer;
    int failed =
        uv_queue_work(deliverer->setup.loop, &deliverer->work, deliver_on_thread, on_delivered);
    assert(failed == 0); /* fails for a NULL argument alone */
}

void relay_deliverer_init(struct relay_deliverer *deliverer,
                          const struct relay_delivery_setup *setup)
{
    static_assert((int)METRICS_CHANGE_TYPES == (int)CHANGE_TYPE_COUNT,
                  "there is a metric of each type");
    *deliverer = (struct relay_deliverer){.setup = *setup, .random = {clock_entropy()}};
    breaker_init(&deliverer->breaker, PAUSE_MIN_US, PAUSE_MAX_US);
    uv_timer_init(setup->loop, &deliverer->pause);
    deliverer->pause.data = deliverer;
}

void relay_deliverer_end_iteration(struct relay_deliverer *deliverer)
{
    if (deliverer->batch == NULL && !deliverer->ending) {
        deliverer->batch = feed_send(deliverer->setup.feed);
        if (deliverer->batch != NULL) {
            relay_target_begin(deliverer->setup.target);
            begin(deliverer);
        }
    }
}

void relay_deliverer_hurry(struct relay_deliverer *deliverer)
{
    if (deliverer->batch != NULL && !deliverer->busy && !deliverer->ending) {
        uv_timer_start(&deliverer->pause, on_pause_over, 0, 0);
    }
}

static void on_end_too_long(uv_timer_t *pause)
{
    const struct relay_deliverer *deliverer = pause->data;
    relay_target_cancel(deliverer->setup.target);
}

void relay_deliverer_end(struct relay_deliverer *deliverer)
{
    if (deliverer->ending) {
        return;
    }
    deliverer->ending = true;
    if (deliverer->busy) {
        uv_timer_start(&deliverer->pause, on_end_too_long, END_MS, 0);
    } else {
        come_to_rest(deliverer);
    }
}
