/* Answers that go out on the socket, past the HTTP library. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/http/answer.h"
#include "rsvpd/http/connection.h"
#include "rsvpd/http/context.h"
#include "rsvpd/http/refusal.h"

#include <sys/socket.h>
#include <unistd.h>

static const struct http_context context;
static struct request request;
static struct connection client;
static int theirs;

static int set_up(NO_STATE)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    client = (struct connection){.fd = ends[0]};
    theirs = ends[1];
    request =
        (struct request){.context = &context, .client = &client, .method = HTTP_POST, .id = "r1"};
    unit_request_init(&request);
    return 0;
}

static int tear_down(NO_STATE)
{
    arena_reset(&request.arena);
    close(client.fd);
    close(theirs);
    return 0;
}

/* All that was sent, and that nothing follows. */
static const char *received(void)
{
    static char text[4096];
    ssize_t size = recv(theirs, text, sizeof text - 1, MSG_DONTWAIT);
    char more;
    assert_true(size > 0);
    assert_int_equal(recv(theirs, &more, 1, MSG_DONTWAIT), 0);
    text[size] = '\0';
    return text;
}

static void expect_in(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' is not in '%s'", part, text);
    }
}

static void the_answer_ends_the_connection(NO_STATE)
{
    answer_problem(&request, PROBLEM_OVERLOADED, NULL);
    refusal_send(&request, "Service Unavailable");
    const char *text = received();
    expect_in(text, "HTTP/1.1 503 Service Unavailable\r\nDate: ");
    expect_in(text, "\r\nConnection: close\r\n");
    expect_in(text, "\r\nX-Request-Id: r1\r\n");
    expect_in(text, "\r\nContent-Type: application/problem+json\r\nContent-Length: ");
    expect_in(text, "\r\nRetry-After: 1\r\n");
    expect_in(text, "\r\nX-Content-Type-Options: nosniff\r\n");
    expect_in(text, "\"code\":\"overloaded\"");
}

static void head_gets_no_body(NO_STATE)
{
    request.method = HTTP_HEAD;
    answer_problem(&request, PROBLEM_NOT_FOUND, NULL);
    refusal_send(&request, "Not Found");
    const char *text = received();
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    expect_in(text, "\r\nContent-Length: ");
}

static void an_answer_without_a_body_tells_no_length(NO_STATE)
{
    answer_with(&request, 204, NULL, slice_of(""));
    refusal_send(&request, "No Content");
    const char *text = received();
    assert_null(strstr(text, "\nContent-"));
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(the_answer_ends_the_connection),
        CASE(head_gets_no_body),
        CASE(an_answer_without_a_body_tells_no_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
