/* The head of an answer that goes out past the HTTP library. */
#include "rsvpd/http/head.h"
#include "rsvpd/http/finish.h"

#include <time.h>

/* Beyond the fields of the answer itself. */
enum { HEAD_SIZE_BYTES = 512 };

static size_t fields_size(const struct answer *answer)
{
    size_t size = 0;
    for (size_t i = 0; i < answer->header_count; i++) {
        size +=
            strlen(answer->headers[i].name) + strlen(answer->headers[i].value) + strlen(": \r\n");
    }
    return size;
}

static void add_date(struct text *text)
{
    char date[40];
    struct tm utc;
    time_t seconds = (time_t)(clock_now().wall_us / 1000000);
    (void)strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&seconds, &utc));
    text_add_format(text, "Date: %s\r\n", date);
}

struct text head_write(struct request *request, const char *reason, const char *framing,
                       size_t room)
{
    const struct answer *answer = &request->answer;
    assert(answer->status != 0);
    finish_answer(request);
    struct text text = request_text(request, HEAD_SIZE_BYTES + fields_size(answer) + room);
    text_add_format(&text, "HTTP/1.1 %u %s\r\n", answer->status, reason);
    add_date(&text);
    text_add_format(&text, "Connection: close\r\nX-Request-Id: %s\r\n", request->id);
    if (answer->content_type != NULL) {
        text_add_format(&text, "Content-Type: %s\r\n", answer->content_type);
    }
    text_add_cstr(&text, framing);
    for (size_t i = 0; i < answer->header_count; i++) {
        text_add_format(&text, "%s: %s\r\n", answer->headers[i].name, answer->headers[i].value);
    }
    text_add_cstr(&text, "\r\n");
    return text;
}
