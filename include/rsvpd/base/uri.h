/* Percent-encoding (RFC 3986 section 2.1), which is undone once. */
#ifndef RSVPD_BASE_URI_H
#define RSVPD_BASE_URI_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/text.h"

/* Decodes into `out`, and sets `size` to the bytes written. False if an escape is malformed, or if
 * the result has more than `capacity` bytes. */
MUST_CHECK bool uri_decode(struct slice encoded, char *out, size_t capacity, size_t *size);

/* Whether the encoded bytes are equal to the plain ones: a percent-encoded byte stands for the byte
 * itself (RFC 3986 section 6.2.2.2). */
bool uri_equal(struct slice encoded, struct slice plain);

/* How much of an http or https URL may be shown: its scheme and its host, with the port. Paths and
 * queries of webhooks are secrets as a rule. */
struct slice uri_origin(const char *url);

/* Adds a segment of a path, percent-encoded where a byte may not stand there as it is (RFC 3986
 * section 3.3): at most three times its size. */
void uri_add_segment(struct text *out, struct slice plain);

/* Adds a path from a request. Encoded bytes stay encoded, and bytes that should have been are
 * encoded. */
void uri_add_path(struct text *out, struct slice path);

#endif
