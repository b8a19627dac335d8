/* If-Match and If-None-Match of requests that change settings. */
#ifndef RSVPD_HTTP_PRECONDITION_H
#define RSVPD_HTTP_PRECONDITION_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/text.h"
#include "rsvpd/domain/operation.h"
#include "rsvpd/http/request.h"

/* What the two headers ask for, in memory of its own; NULL where they are absent. False with a
 * problem answered where they are malformed. */
MUST_CHECK bool precondition_find(struct request *request, struct precondition **precondition);

/* The tag of settings, without quotes: it is another one if and only if they are others. The same
 * as sql/queries/precondition.sql makes. */
void precondition_add_tag(struct text *out, const struct settings *settings);

#endif
