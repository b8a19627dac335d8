/* What a caller may do besides acting for itself. */
#ifndef RSVPD_DOMAIN_SCOPE_H
#define RSVPD_DOMAIN_SCOPE_H

#include "rsvpd/base/slice.h"

/* Each includes those before it. */
enum scope {
    SCOPE_NONE,
    SCOPE_READ,  /* read everything about anybody */
    SCOPE_WRITE, /* act for any user */
    SCOPE_ADMIN, /* give events settings, list events, erase and export users */
};

/* Of "rsvp:read" and the like; SCOPE_NONE where it is none of ours. */
enum scope scope_named(struct slice name);

/* Of any but SCOPE_NONE. */
const char *scope_name(enum scope scope);

#endif
