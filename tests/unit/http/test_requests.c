/* The lists of requests, and the time that each step may take. */
#include "unit.h"

#include "rsvpd/http/connection.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/requests.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SECOND_US = 1000 * 1000, DEADLINE_US = 2 * SECOND_US };

static const struct route all[] = {{.pattern = "", .parameters = ""}};
static const struct route_table table = {all, LENGTH(all)};
static struct random names;
static struct http_context context = {
    .routes = &table, .limits = {.deadline_us = DEADLINE_US}, .random = &names};
static struct requests requests;
static struct connection client;
static int theirs;

static int set_up(NO_STATE)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    client = (struct connection){.fd = ends[0]};
    theirs = ends[1];
    context.metrics = metrics_create();
    assert_non_null(context.metrics);
    requests_init(&requests, &context, 0);
    return 0;
}

static int tear_down(NO_STATE)
{
    assert_int_equal(requests.waiting, 0);
    requests_close(&requests);
    free(context.metrics);
    close(client.fd);
    close(theirs);
    return 0;
}

static struct request *begin(void)
{
    struct request *request = requests_begin(&requests, &client, "/v1/a?b=c");
    assert_non_null(request);
    return request;
}

static void end(struct request *request)
{
    requests_end(&requests, request);
}

static bool is_shut(void)
{
    char byte;
    return recv(theirs, &byte, 1, MSG_DONTWAIT) == 0;
}

static void a_request_begins_with_a_name_and_its_target(NO_STATE)
{
    struct request *request = begin();
    assert_int_equal(requests.active, 1);
    assert_int_equal(strlen(request->id), 32);
    assert_true(slice_equal(request->path, slice_of("/v1/a")));
    assert_true(slice_equal(request->query, slice_of("b=c")));
    assert_ptr_equal(request->client, &client);
    assert_ptr_equal(request->route, &all[0]);
    end(request);
    assert_int_equal(requests.active, 0);
}

static void memory_is_used_again(NO_STATE)
{
    struct request *first = begin();
    end(first);
    struct request *second = begin();
    assert_ptr_equal(first, second);
    assert_int_equal(second->answer.status, 0);
    end(second);
}

static void what_does_not_arrive_is_overdue_in_its_order(NO_STATE)
{
    struct request *first = begin(), *second = begin();
    int64_t late_us = second->started.mono_us + DEADLINE_US;
    assert_null(requests_overdue(&requests, first->started.mono_us + DEADLINE_US - 1));
    assert_ptr_equal(requests_overdue(&requests, late_us), first);
    requests_arrived(first);
    assert_ptr_equal(requests_overdue(&requests, late_us), second);
    requests_refuse(&requests, second, late_us);
    assert_null(requests_overdue(&requests, late_us));
    end(first);
    end(second);
}

static void who_was_answered_at_the_head_has_a_moment_for_the_body(NO_STATE)
{
    struct request *request = begin();
    int64_t now_us = request->started.mono_us;
    request->answer.status = 404;
    requests_drop(&requests, request, now_us);
    assert_null(requests_overdue(&requests, now_us + SECOND_US / 10));
    assert_ptr_equal(requests_overdue(&requests, now_us + SECOND_US / 10 + 1), request);
    requests_send(&requests, request, now_us);
    assert_null(requests_overdue(&requests, now_us + SECOND_US / 10 + 1));
    end(request);
}

static void who_waits_is_counted_until_the_answer(NO_STATE)
{
    struct request *request = begin();
    requests_arrived(request);
    request->phase = REQUEST_WAITING;
    requests_wait(&requests, request);
    assert_int_equal(requests.waiting, 1);
    requests_send(&requests, request, 0);
    assert_int_equal(requests.waiting, 0);
    assert_int_equal(requests.active, 1);
    end(request);
}

static void who_leaves_while_it_waits_is_not_counted(NO_STATE)
{
    struct request *request = begin();
    request->phase = REQUEST_WAITING;
    requests_wait(&requests, request);
    end(request);
    assert_int_equal(requests.waiting, 0);
}

static void who_does_not_take_an_answer_is_cut_off(NO_STATE)
{
    struct request *request = begin();
    requests_send(&requests, request, 0);
    requests_end_slow(&requests, 15 * DEADLINE_US);
    assert_false(is_shut());
    requests_end_slow(&requests, 15 * DEADLINE_US + 1);
    assert_true(is_shut());
    end(request);
}

static void who_goes_on_after_a_refusal_is_cut_off(NO_STATE)
{
    struct request *request = begin();
    requests_refuse(&requests, request, 0);
    requests_end_slow(&requests, 2 * SECOND_US);
    assert_false(is_shut());
    requests_end_slow(&requests, 2 * SECOND_US + 1);
    assert_true(is_shut());
    end(request);
}

static int closed;

static void close_source(void *state)
{
    assert_ptr_equal(state, &closed);
    closed++;
}

static const struct stream_source functions = {.close = close_source};

static struct request *begin_stream(int64_t now_us)
{
    struct request *request = begin();
    closed = 0;
    request->answer.status = 200;
    request->answer.stream.source = &functions;
    request->answer.stream.state = &closed;
    requests_send(&requests, request, now_us);
    assert_int_equal(requests.streams, 1);
    return request;
}

static void a_stream_that_rests_has_no_time_limit(NO_STATE)
{
    struct request *request = begin_stream(0);
    assert_null(requests_resting(&requests));
    requests_stream_rests(&requests, request);
    assert_ptr_equal(requests_resting(&requests), request);
    requests_end_slow(&requests, 1000 * DEADLINE_US);
    assert_false(is_shut());
    end(request);
    assert_int_equal(closed, 1);
    assert_int_equal(requests.streams, 0);
}

static void what_a_stream_sends_is_to_be_taken_in_time(NO_STATE)
{
    struct request *request = begin_stream(0);
    requests_stream_rests(&requests, request);
    requests_stream_sends(&requests, request, DEADLINE_US);
    assert_null(requests_resting(&requests));
    requests_end_slow(&requests, 16 * DEADLINE_US);
    assert_false(is_shut());
    requests_end_slow(&requests, 16 * DEADLINE_US + 1);
    assert_true(is_shut());
    end(request);
}

static void a_stream_that_has_ended_counts_no_more(NO_STATE)
{
    struct request *request = begin_stream(0);
    requests_stream_rests(&requests, request);
    requests_stream_wakes(&requests, request);
    assert_null(requests_resting(&requests));
    assert_int_equal(requests.streams, 1);
    end(request);
    assert_int_equal(closed, 1);
    assert_int_equal(requests.streams, 0);
    assert_int_equal(requests.active, 0);
}

static void a_stream_that_was_never_sent_is_closed(NO_STATE)
{
    struct request *request = begin();
    closed = 0;
    request->answer.stream.source = &functions;
    request->answer.stream.state = &closed;
    end(request);
    assert_int_equal(closed, 1);
    assert_int_equal(requests.streams, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(a_request_begins_with_a_name_and_its_target),
        CASE(memory_is_used_again),
        CASE(what_does_not_arrive_is_overdue_in_its_order),
        CASE(who_was_answered_at_the_head_has_a_moment_for_the_body),
        CASE(who_waits_is_counted_until_the_answer),
        CASE(who_leaves_while_it_waits_is_not_counted),
        CASE(who_does_not_take_an_answer_is_cut_off),
        CASE(who_goes_on_after_a_refusal_is_cut_off),
        CASE(a_stream_that_rests_has_no_time_limit),
        CASE(what_a_stream_sends_is_to_be_taken_in_time),
        CASE(a_stream_that_has_ended_counts_no_more),
        CASE(a_stream_that_was_never_sent_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
