/* What must be true of an entity's settings for a change of them to be made (RFC 9110 section 13).
 */
#ifndef RSVPD_DOMAIN_PRECONDITION_H
#define RSVPD_DOMAIN_PRECONDITION_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

enum {
    SETTINGS_TAG_SIZE_MAX_BYTES = 64,             /* longer than any that settings have */
    PRECONDITION_TAGS_SIZE_MAX_BYTES = 14 * 1024, /* of a list of tags: a request's head at most */
};

/* Tags that settings may have, or with `any` those of all settings that there are. */
struct tag_list {
    bool given, any;
    struct slice tags; /* each with a comma behind it, which no such tag has in it */
};

struct precondition {
    struct tag_list match;      /* the settings' tag must be one of these, where given */
    struct tag_list none_match; /* and none of these */
    char bytes[];               /* of the tags */
};

#endif
