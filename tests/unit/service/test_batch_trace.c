/* What traced operations of a batch leave behind. */
#include "unit.h"

#include "rsvpd/service/batch_trace.h"

#include <stdlib.h>

enum { SEED = 3, SENT_US = 100, ENDED_US = 250, SPANS_MAX = 16 };

static struct tracer tracer;
static struct operation operations[3];
static struct batch batch;

static int set_up(void **state)
{
    (void)state;
    assert_true(tracer_init(&tracer, 0, SEED));
    batch = (struct batch){.relation = &relations[RELATION_RSVP],
                           .kind = OPERATION_ADD,
                           .size = 3,
                           .sent_at_us = SENT_US};
    for (size_t i = 0; i < 3; i++) {
        operations[i] = (struct operation){.kind = OPERATION_ADD, .submitted_us = 10 + (int64_t)i};
        batch.operations[i] = &operations[i];
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tracer_free(&tracer);
    return 0;
}

static void test_nobody_is_traced(NO_STATE)
{
    struct span spans[SPANS_MAX];
    batch_trace_note(&tracer, &batch, "write", BATCH_DONE, ENDED_US);
    assert_int_equal(tracer_read(&tracer, spans, SPANS_MAX), 0);
}

static void test_those_who_share_a_batch_link_to_it(NO_STATE)
{
    struct span spans[SPANS_MAX];
    operations[0].trace = (struct trace_ref){1, 2, 3};
    operations[2].trace = (struct trace_ref){4, 5, 6};
    batch_trace_note(&tracer, &batch, "write", BATCH_DONE, ENDED_US);
    assert_int_equal(tracer_read(&tracer, spans, SPANS_MAX), 5);
    assert_int_equal(spans[0].kind, SPAN_BATCH);
    assert_int_equal(spans[0].parent, 0);
    assert_int_equal(spans[0].db.batch_size, 3);
    assert_string_equal(spans[0].db.operation, "write");
    for (size_t i = 0; i < 2; i++) {
        const struct operation *operation = &operations[i * 2];
        const struct span *queue = &spans[1 + i * 2], *share = &spans[2 + i * 2];
        assert_int_equal(queue->kind, SPAN_QUEUE);
        assert_int_equal(queue->start_us, operation->submitted_us);
        assert_int_equal(queue->end_us, SENT_US);
        assert_int_equal(share->kind, SPAN_SHARE);
        assert_int_equal(share->start_us, SENT_US);
        assert_int_equal(share->end_us, ENDED_US);
        assert_int_equal(queue->parent, operation->trace.span);
        assert_int_equal(share->parent, operation->trace.span);
        assert_int_equal(share->self.trace_low, operation->trace.trace_low);
        assert_int_equal(share->link.span, spans[0].self.span);
        assert_int_equal(share->link.trace_high, spans[0].self.trace_high);
    }
}

/* The second wait begins where the first batch ended. */
static void test_one_that_is_sent_again(NO_STATE)
{
    struct span spans[SPANS_MAX];
    operations[1].trace = (struct trace_ref){1, 2, 3};
    batch_trace_note(&tracer, &batch, "write", BATCH_LOST, ENDED_US);
    batch.sent_at_us = ENDED_US + 7;
    batch_trace_note(&tracer, &batch, "write", BATCH_DONE, ENDED_US + 9);
    assert_int_equal(tracer_read(&tracer, spans, SPANS_MAX), 6);
    assert_string_equal(spans[0].error, "connection_lost");
    assert_null(spans[1].error);
    assert_string_equal(spans[2].error, "connection_lost");
    assert_int_equal(spans[4].start_us, ENDED_US);
    assert_int_equal(spans[4].end_us, ENDED_US + 7);
    assert_null(spans[5].error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_is_traced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_those_who_share_a_batch_link_to_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_that_is_sent_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
