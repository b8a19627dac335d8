/* What all that comes in pages has in common: the parameter that says how large, and the link to
 * the next one. */
#ifndef RSVPD_HTTP_PAGING_H
#define RSVPD_HTTP_PAGING_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/json_writer.h"
#include "rsvpd/domain/page_token.h"
#include "rsvpd/http/request.h"

enum { PAGING_SIZE_DEFAULT = 50, PAGING_SIZE_MAX = 1000 };

/* Reads the parameters page_size and page_token; the latter is without data where there is none.
 * False with the problem answered where they are not such. */
MUST_CHECK bool paging_read(struct request *request, size_t *page_size, struct slice *token);

/* Whether a token was good; where it was not, answers with the problem. */
MUST_CHECK bool paging_accept(struct request *request, enum problem problem);

/* Names the next page in the body and in the header Link (RFC 8288). */
void paging_write_next(struct request *request, struct json_writer *body, const char *token,
                       size_t page_size);

#endif
