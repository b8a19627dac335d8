/* What must be true of an entity's settings for a change of them to be made (RFC 9110 section 13).
 */
#ifndef RSVPD_DOMAIN_PRECONDITION_H
#define RSVPD_DOMAIN_PRECONDITION_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdint.h>

enum {
    SETTINGS_TAG_SIZE_MAX_BYTES = 64, /* longer than any that settings have */
    PRECONDITION_TAGS_MAX = 16,
};

/* Tags that settings may have, or with `any` those of all settings that there are. */
struct tag_list {
    bool given, any;
    size_t size;
    struct {
        uint8_t size;
        char data[SETTINGS_TAG_SIZE_MAX_BYTES];
    } tags[PRECONDITION_TAGS_MAX];
};

static_assert(SETTINGS_TAG_SIZE_MAX_BYTES <= UINT8_MAX, "the size fits its field");

struct precondition {
    struct tag_list match;      /* the settings' tag must be one of these, where given */
    struct tag_list none_match; /* and none of these */
};

#endif
