/* Sends the spans of all workers to a collector. */
#include "rsvpd/app/trace_exporter.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/otlp.h"
#include "rsvpd/store/otlp_post.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

enum {
    LOOK_EVERY_MS = 100, /* into the rings */
    SEND_EVERY_US = 1000 * 1000,
    TRIES_MAX = 3, /* of one batch */
    RETRY_MS = 1000,
    RETRY_MAX_S = 30,               /* however long the collector wants to be left alone */
    END_US = 1000 * 1000,           /* for what is left at the end */
    END_GRACE_US = 2 * 1000 * 1000, /* libcurl looks once a second whether it is to give up */
    DOCUMENT_SIZE_MAX_BYTES =
        TRACE_BATCH_SPANS * OTLP_SPAN_SIZE_MAX_BYTES + OTLP_RESOURCE_SIZE_MAX_BYTES,
};

struct trace_exporter {
    const struct config *config;
    struct tracer tracers[CONFIG_WORKERS_MAX];
    size_t tracer_count;
    struct otlp_post *post;
    struct metrics *metrics; /* of the thread */
    char *document;

    /* The thread's own. */
    struct span spans[TRACE_BATCH_SPANS];
    size_t span_count;
    int64_t gathered_since_us; /* of the first of them */
    bool failing;              /* the last batch did not get there */

    uv_thread_t thread;
    uv_mutex_t mutex; /* guards `ended`, and what is waited for */
    uv_cond_t changed;
    bool ended;
    _Atomic int64_t end_by_us; /* 0: it goes on */
};

bool trace_exporter_wanted(const struct config *config)
{
    return *config->otel_endpoint != '\0' || *config->otel_traces_endpoint != '\0';
}

struct trace_exporter *trace_exporter_create(const struct config *config)
{
    struct trace_exporter *exporter = calloc(1, sizeof *exporter);
    double share;
    bool valid = trace_share_parse(slice_of(config->trace_sample), &share);
    assert(valid && trace_exporter_wanted(config)); /* or config_load would have refused it */
    if (exporter == NULL || !valid) {
        return NULL;
    }
    exporter->config = config;
    exporter->metrics = metrics_create();
    exporter->document = malloc(DOCUMENT_SIZE_MAX_BYTES);
    exporter->post =
        otlp_post_create(&(struct otlp_post_setup){.endpoint = config->otel_endpoint,
                                                   .traces_endpoint = config->otel_traces_endpoint,
                                                   .headers = config->otel_headers,
                                                   .give_up_us = &exporter->end_by_us});
    bool made = exporter->metrics != NULL && exporter->document != NULL && exporter->post != NULL &&
                uv_mutex_init(&exporter->mutex) == 0 && uv_cond_init(&exporter->changed) == 0;
    while (made && exporter->tracer_count < (size_t)config->workers) {
        made = tracer_init(&exporter->tracers[exporter->tracer_count++], share, clock_entropy());
    }
    return made ? exporter : NULL; /* without one the process ends */
}

struct tracer *trace_exporter_tracer(struct trace_exporter *exporter, size_t worker)
{
    assert(worker < exporter->tracer_count);
    return &exporter->tracers[worker];
}

const struct metrics *trace_exporter_metrics(const struct trace_exporter *exporter)
{
    return exporter->metrics;
}

/* ---- the thread ---- */

static bool is_ending(const struct trace_exporter *exporter)
{
    return atomic_load(&exporter->end_by_us) != 0;
}

static bool is_over(const struct trace_exporter *exporter)
{
    int64_t by_us = atomic_load(&exporter->end_by_us);
    return by_us != 0 && clock_mono_us() >= by_us;
}

/* Waits, but not beyond the begin of the end. */
static void wait_ms(struct trace_exporter *exporter, int64_t ms)
{
    int64_t until_us = clock_mono_us() + ms * 1000;
    int64_t left_us;
    uv_mutex_lock(&exporter->mutex);
    while (!is_ending(exporter) && (left_us = until_us - clock_mono_us()) > 0) {
        (void)uv_cond_timedwait(&exporter->changed, &exporter->mutex, (uint64_t)left_us * 1000);
    }
    uv_mutex_unlock(&exporter->mutex);
}

static void gather(struct trace_exporter *exporter)
{
    size_t before = exporter->span_count;
    for (size_t i = 0; i < exporter->tracer_count; i++) {
        exporter->span_count +=
            tracer_read(&exporter->tracers[i], exporter->spans + exporter->span_count,
                        TRACE_BATCH_SPANS - exporter->span_count);
    }
    if (before == 0) {
        exporter->gathered_since_us = clock_mono_us();
    }
}

/* Once where it begins, and once where it ends. */
static void note_result(struct trace_exporter *exporter, bool failed, const char *reason)
{
    if (failed && !exporter->failing) {
        log_event(LOG_WARN, "cannot send traces", LOG_CSTR("reason", reason));
    } else if (!failed && exporter->failing) {
        log_event(LOG_INFO, "traces are sent again");
    }
    exporter->failing = failed;
}

static bool write_document(struct trace_exporter *exporter, struct text *document)
{
    const struct config *config = exporter->config;
    struct instant now = clock_now();
    *document = text_over(exporter->document, DOCUMENT_SIZE_MAX_BYTES);
    return otlp_write(&(struct otlp_resource){.service_name = config->otel_service_name,
                                              .attributes = config->otel_resource_attributes,
                                              .bind_address = config->bind_address,
                                              .port = config->port,
                                              .wall_minus_mono_us = now.wall_us - now.mono_us},
                      exporter->spans, exporter->span_count, document);
}

/* Sends the document, again where that makes sense. */
static bool deliver(struct trace_exporter *exporter, struct slice document)
{
    char reason[HTTP_POST_REASON_SIZE_BYTES];
    int64_t after_s;
    enum otlp_post_result result;
    for (int i = 1;; i++) {
        result = otlp_post_send(exporter->post, document, reason, &after_s);
        note_result(exporter, result != OTLP_POST_TAKEN, reason);
        if (result != OTLP_POST_LATER || i == TRIES_MAX || is_ending(exporter)) {
            return result == OTLP_POST_TAKEN;
        }
        after_s = after_s < RETRY_MAX_S ? after_s : RETRY_MAX_S;
        wait_ms(exporter, after_s > 0 ? after_s * 1000 : RETRY_MS << (i - 1));
    }
}

static void send_gathered(struct trace_exporter *exporter)
{
    struct text document;
    bool sent = write_document(exporter, &document) && deliver(exporter, text_slice(&document));
    metrics_add(exporter->metrics, sent ? METRIC_SPANS_EXPORTED : METRIC_SPANS_FAILED,
                exporter->span_count);
    exporter->span_count = 0;
}

/* What cannot be sent any more. */
static void give_up(struct trace_exporter *exporter)
{
    int64_t lost = 0;
    while (exporter->span_count > 0) {
        lost += (int64_t)exporter->span_count;
        exporter->span_count = 0;
        gather(exporter);
    }
    if (lost > 0) {
        log_event(LOG_WARN, "traces are lost at the end", LOG_INT("spans", lost));
    }
}

static void thread_main(void *exporter_)
{
    struct trace_exporter *exporter = exporter_;
    bool ending;
    log_attach_thread();
    do {
        wait_ms(exporter, exporter->span_count == TRACE_BATCH_SPANS ? 0 : LOOK_EVERY_MS);
        ending = is_ending(exporter); /* before the last look: the workers have ended by then */
        gather(exporter);
        while (exporter->span_count == TRACE_BATCH_SPANS ||
               (exporter->span_count > 0 &&
                (ending || clock_mono_us() - exporter->gathered_since_us >= SEND_EVERY_US))) {
            if (is_over(exporter) || (ending && exporter->failing)) {
                give_up(exporter);
                break;
            }
            send_gathered(exporter);
            gather(exporter);
        }
    } while (!ending);
    uv_mutex_lock(&exporter->mutex);
    exporter->ended = true;
    uv_cond_broadcast(&exporter->changed);
    uv_mutex_unlock(&exporter->mutex);
}

/* ---- its begin and end ---- */

bool trace_exporter_start(struct trace_exporter *exporter)
{
    return uv_thread_create(&exporter->thread, thread_main, exporter) == 0;
}

bool trace_exporter_stop(struct trace_exporter *exporter)
{
    int64_t until_us = clock_mono_us() + END_US + END_GRACE_US;
    int64_t left_us;
    uv_mutex_lock(&exporter->mutex);
    atomic_store(&exporter->end_by_us, clock_mono_us() + END_US);
    uv_cond_broadcast(&exporter->changed);
    while (!exporter->ended && (left_us = until_us - clock_mono_us()) > 0) {
        (void)uv_cond_timedwait(&exporter->changed, &exporter->mutex, (uint64_t)left_us * 1000);
    }
    bool ended = exporter->ended;
    uv_mutex_unlock(&exporter->mutex);
    return ended && uv_thread_join(&exporter->thread) == 0;
}

void trace_exporter_destroy(struct trace_exporter **exporter_)
{
    struct trace_exporter *exporter = *exporter_;
    if (exporter == NULL) {
        return;
    }
    for (size_t i = 0; i < exporter->tracer_count; i++) {
        tracer_free(&exporter->tracers[i]);
    }
    otlp_post_destroy(&exporter->post);
    uv_cond_destroy(&exporter->changed);
    uv_mutex_destroy(&exporter->mutex);
    free(exporter->metrics);
    free(exporter->document);
    free(exporter);
    *exporter_ = NULL;
}
