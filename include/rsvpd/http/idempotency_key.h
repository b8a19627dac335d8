/* The header Idempotency-Key of a write. */
#ifndef RSVPD_HTTP_IDEMPOTENCY_KEY_H
#define RSVPD_HTTP_IDEMPOTENCY_KEY_H

#include "rsvpd/base/contract.h"
#include "rsvpd/http/request.h"

/* Reads a key out of the header's value: a string in double quotes, in which a backslash stands
 * before a double quote or a backslash (RFC 8941 section 3.3.3, as in
 * draft-ietf-httpapi-idempotency-key-header), or the same without the quotes and as it stands. 1 to
 * 255 printable ASCII bytes. False where it is none. */
MUST_CHECK bool idempotency_key_parse(struct slice value, struct idempotency_key *key);

/* Sets request->idempotency_key from the header; size 0 where there is none. False with a problem
 * answered where it is malformed or given more than once. */
MUST_CHECK bool idempotency_key_find(struct request *request);

#endif
