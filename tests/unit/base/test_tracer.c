/* Which requests are traced, and spans between two threads. */
#include "unit.h"

#include "rsvpd/base/tracer.h"

#include <pthread.h>
#include <stdlib.h>

enum { SEED = 7, READ_MAX = 100, SPANS = 200 * 1000 };

static void make(struct tracer *tracer, double share)
{
    assert_true(tracer_init(tracer, share, SEED));
    tracer->metrics = metrics_create();
    assert_non_null(tracer->metrics);
}

static void end(struct tracer *tracer)
{
    free(tracer->metrics);
    tracer_free(tracer);
}

static void test_the_caller_decides(NO_STATE)
{
    struct trace_parent parent = {.ref = {1, 2, 3}, .sampled = true};
    struct tracer none, all;
    make(&none, 0);
    make(&all, 1);
    struct trace_ref ref = tracer_begin(&none, &parent);
    assert_true(ref.trace_high == 1 && ref.trace_low == 2 && ref.span != 0 && ref.span != 3);
    parent.sampled = false;
    assert_int_equal(tracer_begin(&all, &parent).span, 0);
    assert_int_equal(tracer_begin(&none, NULL).span, 0);
    assert_int_not_equal(tracer_begin(&all, NULL).span, 0);
    end(&none);
    end(&all);
}

static void write_number(struct tracer *tracer, size_t number)
{
    tracer_write(tracer, &(struct span){.kind = SPAN_REQUEST, .self = {1, 1, number + 1}});
}

static void test_a_full_ring_drops_the_newest(NO_STATE)
{
    struct tracer tracer;
    struct span spans[READ_MAX];
    make(&tracer, 1);
    for (size_t i = 0; i < TRACER_SPANS + 3; i++) {
        write_number(&tracer, i);
    }
    assert_int_equal(metrics_get(tracer.metrics, METRIC_SPANS_DROPPED), 3);
    assert_int_equal(tracer_read(&tracer, spans, READ_MAX), READ_MAX);
    write_number(&tracer, TRACER_SPANS); /* there is room again */
    size_t seen = READ_MAX, size;
    while ((size = tracer_read(&tracer, spans, READ_MAX)) > 0) {
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(spans[i].self.span, ++seen);
        }
    }
    assert_int_equal(seen, TRACER_SPANS + 1);
    assert_int_equal(metrics_get(tracer.metrics, METRIC_SPANS_DROPPED), 3);
    end(&tracer);
}

static void *write_many(void *tracer)
{
    for (size_t i = 0; i < SPANS; i++) {
        write_number(tracer, i);
    }
    return NULL;
}

/* Each span arrives once and in order, or was dropped. */
static void test_two_threads(NO_STATE)
{
    struct tracer tracer;
    struct span spans[READ_MAX];
    pthread_t writer;
    size_t arrived = 0;
    uint64_t last = 0;
    make(&tracer, 1);
    assert_int_equal(pthread_create(&writer, NULL, write_many, &tracer), 0);
    while (arrived + metrics_get(tracer.metrics, METRIC_SPANS_DROPPED) < SPANS) {
        size_t size = tracer_read(&tracer, spans, READ_MAX);
        for (size_t i = 0; i < size; i++) {
            assert_true(spans[i].self.span > last);
            last = spans[i].self.span;
        }
        arrived += size;
    }
    pthread_join(writer, NULL);
    assert_int_equal(tracer_read(&tracer, spans, READ_MAX), 0);
    assert_int_equal(arrived + metrics_get(tracer.metrics, METRIC_SPANS_DROPPED), SPANS);
    end(&tracer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_caller_decides),
        cmocka_unit_test(test_a_full_ring_drops_the_newest),
        cmocka_unit_test(test_two_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
