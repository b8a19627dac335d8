/* Which clients get a compressed answer, and that it is the same answer. */
#include "unit.h"
#include "unit_request.h"

#include "rsvpd/http/answer.h"
#include "rsvpd/http/gzip.h"
#include "rsvpd/http/header.h"

#include <stdlib.h>
#include <zlib.h>

enum { BODY_SIZE = 64 * 1024 };

static void begin(struct request *request, const char *accept)
{
    *request = (struct request){.answer.status = 200};
    unit_request_init(request);
    if (accept != NULL) {
        unit_request_note(request, "Accept-Encoding", accept);
    }
}

static void test_who_gets_it(NO_STATE)
{
    static const struct {
        const char *accept;
        bool gzip;
    } cases[] = {
        {NULL, false},
        {"", false},
        {"gzip", true},
        {"GZip", true},
        {"x-gzip", true},
        {"gzip, deflate, br, zstd", true},
        {"br;q=1.0, gzip;q=0.8, *;q=0.1", true},
        {"deflate,\tgzip ; q=0.001", true},
        {"gzip;q=1", true},
        {"gzip;q=1.000", true},
        {"gzip;Q=0.5", true},
        {"*", true},
        {"*;q=0.5", true},
        {"identity, *", true},
        {"gzip;q=0.5, identity;q=0.5", true},
        {"identity;q=0, gzip", true},
        {"gzip;q=0", false},
        {"gzip;q=0.0", false},
        {"gzip;q=0.000", false},
        {"*;q=0", false},
        {"gzip;q=0, *", false},
        {"*, gzip;q=0", false},
        {"identity", false},
        {"identity, gzip;q=0.5", false},
        {"br", false},
        {"gzip2", false},
        {"gzi", false},
        {"deflate, br", false},
        /* malformed weights are none */
        {"gzip;q=", false},
        {"gzip;q", false},
        {"gzip;q=2", false},
        {"gzip;q=1.001", false},
        {"gzip;q=0.0001", false},
        {"gzip;q=-1", false},
        {"gzip;q=.5", false},
        {"gzip;q=0,5", false},
        {"gzip;q=yes", false},
        {",, ;, gzip", true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct request request;
        begin(&request, cases[i].accept);
        if (gzip_is_accepted(&request) != cases[i].gzip) {
            fail_msg("'%s' does%s get gzip", cases[i].accept == NULL ? "none" : cases[i].accept,
                     cases[i].gzip ? " not" : "");
        }
        arena_reset(&request.arena);
    }
}

/* Field lines are one list (RFC 9110 section 5.3). */
static void test_several_lines(NO_STATE)
{
    struct request request;
    begin(&request, "br");
    unit_request_note(&request, "Accept-Encoding", "gzip");
    assert_true(gzip_is_accepted(&request));
    unit_request_note(&request, "Accept-Encoding", "gzip;q=0");
    assert_false(gzip_is_accepted(&request));
    arena_reset(&request.arena);
    begin(&request, "br");
    for (int i = 0; i < 100; i++) {
        unit_request_note(&request, "Accept-Encoding", "br");
    }
    unit_request_note(&request, "Accept-Encoding", "gzip");
    assert_true(gzip_is_accepted(&request));
    arena_reset(&request.arena);
}

/* Gives an answer with this body to one who takes gzip, and expects it back. */
static void expect_compressed(struct gzip *gzip, struct slice body, bool compressed)
{
    static char back[BODY_SIZE];
    struct request request;
    begin(&request, "gzip");
    request.answer.body = body;
    answer_allow_compression(&request);
    gzip_answer(gzip, &request);
    const struct answer *answer = &request.answer;
    assert_int_equal(answer->varies, ANSWER_VARIES_BY_ENCODING);
    assert_int_equal(answer->header_count, compressed ? 1 : 0);
    if (!compressed) {
        assert_ptr_equal(answer->body.data, body.data);
        arena_reset(&request.arena);
        return;
    }
    assert_string_equal(answer->headers[0].name, "Content-Encoding");
    assert_string_equal(answer->headers[0].value, "gzip");
    assert_true(answer->body.size < body.size);
    z_stream stream = {.next_in = (unsigned char *)answer->body.data,
                       .avail_in = (unsigned)answer->body.size,
                       .next_out = (unsigned char *)back,
                       .avail_out = sizeof back};
    assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
    assert_int_equal(stream.avail_in, 0);
    unit_expect_bytes("body", slice_make(back, stream.total_out), body);
    inflateEnd(&stream);
    arena_reset(&request.arena);
}

/* One compressor serves one answer after the other, each on its own. */
static void test_the_same_answer(NO_STATE)
{
    static char text[BODY_SIZE], noise[BODY_SIZE];
    struct gzip *gzip = gzip_create();
    struct random random = {.state = 1};
    assert_non_null(gzip);
    for (size_t i = 0; i < BODY_SIZE; i++) {
        text[i] = (char)('a' + i % 23 + i % 3);
        noise[i] = (char)random_next(&random);
    }
    for (int round = 0; round < 3; round++) {
        expect_compressed(gzip, slice_make(text, BODY_SIZE), true);
        expect_compressed(gzip, slice_make(text, ANSWER_COMPRESSED_SIZE_MIN_BYTES + 1), true);
        expect_compressed(gzip, slice_make(text, ANSWER_COMPRESSED_SIZE_MIN_BYTES), false);
        expect_compressed(gzip, slice_make(text, 0), false);
        expect_compressed(gzip, slice_make(noise, BODY_SIZE), false); /* it would not get smaller */
    }
    gzip_destroy(&gzip);
    assert_null(gzip);
}

/* What was not allowed to be, is not. */
static void test_only_what_may_be(NO_STATE)
{
    static char text[BODY_SIZE];
    struct gzip *gzip = gzip_create();
    struct request request;
    begin(&request, "gzip");
    request.answer.body = slice_make(text, sizeof text);
    gzip_answer(gzip, &request);
    assert_ptr_equal(request.answer.body.data, text);
    assert_int_equal(request.answer.header_count, 0);
    arena_reset(&request.arena);
    gzip_destroy(&gzip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_gets_it),
        cmocka_unit_test(test_several_lines),
        cmocka_unit_test(test_the_same_answer),
        cmocka_unit_test(test_only_what_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
