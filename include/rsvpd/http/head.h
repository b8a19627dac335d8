/* The head of an answer that goes out past the HTTP library. */
#ifndef RSVPD_HTTP_HEAD_H
#define RSVPD_HTTP_HEAD_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/text.h"
#include "rsvpd/http/request.h"

/* Status line, fields and empty line of the answer that was made, with room for so many bytes
 * behind it, in the request's arena. The connection ends with the answer. `reason` is the phrase of
 * its status, `framing` the line that says where its body ends ("": nothing does but the end).
 * Truncated where memory is exhausted. */
MUST_CHECK struct text head_write(struct request *request, const char *reason, const char *framing,
                                  size_t room);

#endif
