/* Entity tags in If-Match and If-None-Match (RFC 9110 sections 8.8.3 and 13.1). */
#ifndef RSVPD_HTTP_ENTITY_TAG_H
#define RSVPD_HTTP_ENTITY_TAG_H

#include "rsvpd/base/slice.h"

struct entity_tag {
    bool weak;
    struct slice opaque; /* what stands between its quotes */
};

enum entity_tag_event { ENTITY_TAG, ENTITY_TAG_END, ENTITY_TAG_MALFORMED };

/* Cuts the next tag off a field's list of them; empty elements are passed over. The list that is
 * just an asterisk is the caller's to know. */
enum entity_tag_event entity_tag_next(struct slice *list, struct entity_tag *tag);

#endif
