/* Compresses answers (RFC 1952). The only code that knows zlib. */
#ifndef RSVPD_HTTP_GZIP_H
#define RSVPD_HTTP_GZIP_H

#include "rsvpd/http/request.h"

/* A compressor that a loop uses for one answer after the other: some 260 KiB. NULL when memory is
 * exhausted. */
struct gzip *gzip_create(void);
void gzip_destroy(struct gzip **gzip);

/* Whether the client takes gzip, and no less gladly than the answer as it is (RFC 9110
 * section 12.5.3). */
bool gzip_is_accepted(const struct request *request);

/* Compresses the body of an answer that may be, where that makes sense: it is large enough, is
 * asked for, and gets smaller. */
void gzip_answer(struct gzip *gzip, struct request *request);

#endif
