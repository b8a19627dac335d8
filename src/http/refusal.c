/* Answers what has not arrived whole. */
#include "rsvpd/http/refusal.h"
#include "rsvpd/base/text.h"
#include "rsvpd/http/connection.h"
#include "rsvpd/http/head.h"

#include <stdio.h>
#include <sys/socket.h>

void refusal_send(struct request *request, const char *reason)
{
    enum { LENGTH_SIZE_BYTES = 48 };
    const struct answer *answer = &request->answer;
    char length[LENGTH_SIZE_BYTES] = "";
    /* Without a type there is no body, and a stream's has no length. */
    if (answer->content_type != NULL && answer->stream.source == NULL) {
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", answer->body.size);
    }
    struct text text = head_write(request, reason, length, answer->body.size);
    text_add(&text, request->method == HTTP_HEAD ? slice_of("") : answer->body);
    if (!text.truncated) {
        (void)send(request->client->fd, text.data, text.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    (void)shutdown(request->client->fd, SHUT_WR);
}
