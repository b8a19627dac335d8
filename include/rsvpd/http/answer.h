/* Makes answers: the JSON bodies of the contract, and problems (RFC 9457). */
#ifndef RSVPD_HTTP_ANSWER_H
#define RSVPD_HTTP_ANSWER_H

#include "rsvpd/base/json_writer.h"
#include "rsvpd/domain/operation.h"
#include "rsvpd/http/request.h"

enum { ANSWER_COMPRESSED_SIZE_MIN_BYTES = 1024 }; /* bodies up to that are sent as they are */

/* Adds a header to the answer. `value` must live as long as the request. */
void answer_add_header(struct request *request, const char *name, const char *value);

/* Notes that the answer depends on what the request has in some fields (enum answer_varies). */
void answer_vary(struct request *request, unsigned varies);

/* Answers with a body of this type, which must live as long as the request. */
void answer_with(struct request *request, unsigned status, const char *content_type,
                 struct slice body);

/* Answers with a stream of this type. `state` is the source's, which gets it in every call. */
void answer_with_stream(struct request *request, unsigned status, const char *content_type,
                        const struct stream_source *source, void *state);

/* Answers with a JSON text in the arena. False where there was no memory for it: then the request
 * is answered as an internal error, and nothing may be added to that. */
bool answer_json(struct request *request, unsigned status, const struct json_writer *body);

/* Tells when to come again: Retry-After, which any status may have. */
void answer_retry_after(struct request *request, int64_t seconds);

/* Lets the answer be compressed for whom asks. Not for one that gives back what a request says, and
 * holds a secret besides: its size would tell of the secret (BREACH). */
void answer_allow_compression(struct request *request);

/* Answers with a problem. `detail` says what was wrong, where, and what to do; NULL: the problem's
 * own explanation. Lives in the arena or is constant. */
void answer_problem(struct request *request, enum problem problem, const char *detail);

/* The same, formatted as printf does. */
void answer_problem_format(struct request *request, enum problem problem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What came out of a write, a lookup, a count of the contract. */
void answer_write(struct request *request, const struct operation *operation);
void answer_lookup(struct request *request, const struct operation *operation);
void answer_count(struct request *request, const struct count *count);

/* The Cache-Control of counts. */
const char *answer_count_caching(const struct request *request);

/* A count as an object: of a count's own body, or one of many. */
void answer_write_count(struct json_writer *body, const struct relation *relation,
                        const struct identifier *entity, const struct count *count);

#endif
