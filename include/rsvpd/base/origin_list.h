/* Origins of web pages as operators list them, and which of them a browser names. No I/O. */
#ifndef RSVPD_BASE_ORIGIN_LIST_H
#define RSVPD_BASE_ORIGIN_LIST_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

enum {
    ORIGIN_LIST_MAX = 64,
    ORIGIN_SIZE_MAX_BYTES = 300, /* a name of 253, a scheme and a port */
    ORIGIN_LIST_ERROR_SIZE_BYTES = 256,
};

/* All zero: none. */
struct origin_list {
    bool any; /* "*": every origin but null */
    char **at;
    size_t count;
};

/* Reads "*", or origins with commas or blanks between them, each as a browser sends it (RFC 6454
 * section 6.2): a scheme, a host in lower case, and a port where it is not the scheme's. False with
 * `error` filled in, and nothing to free, where one could never be sent so, or there is no memory.
 * An empty text holds none. */
MUST_CHECK bool origin_list_parse(struct origin_list *list, const char *text,
                                  char error[ORIGIN_LIST_ERROR_SIZE_BYTES]);
void origin_list_free(struct origin_list *list);

/* What an answer to a page of this origin names as allowed: the origin itself, byte for byte, "*"
 * where any is, NULL where it is not in the list. "null", which stands for any page that hides its
 * origin, never is. */
const char *origin_list_find(const struct origin_list *list, struct slice origin);

#endif
