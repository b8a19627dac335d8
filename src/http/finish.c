/* What every answer carries. */
#include "rsvpd/http/finish.h"
#include "rsvpd/base/text.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/cors.h"
#include "rsvpd/http/how_often.h"

enum { VARY_SIZE_BYTES = 128 };

/* What a cache must compare before it gives the answer to somebody else (RFC 9110 section 12.5.5),
 * in one field. */
static void add_vary(struct request *request)
{
    static const struct {
        unsigned bit;
        const char *fields;
    } rows[] = {
        {ANSWER_VARIES_BY_ENCODING, "Accept-Encoding"},
        {ANSWER_VARIES_BY_ORIGIN, "Origin"},
        {ANSWER_VARIES_BY_REQUEST_METHOD, "Access-Control-Request-Method"},
    };
    struct text text = request_text(request, VARY_SIZE_BYTES);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((request->answer.varies & rows[i].bit) != 0) {
            text_add_cstr(&text, text.size == 0 ? "" : ", ");
            text_add_cstr(&text, rows[i].fields);
        }
    }
    text_add(&text, slice_make("", 1)); /* the zero that ends it */
    answer_add_header(request, "Vary", text.truncated ? "*" : text.data);
}

void finish_answer(struct request *request)
{
    answer_add_header(request, "X-Content-Type-Options", "nosniff");
    cors_add_fields(request);
    how_often_add_fields(request);
    if (request->answer.varies != 0) {
        add_vary(request);
    }
}
