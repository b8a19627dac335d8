/* What a caller may do besides acting for itself. */
#include "rsvpd/domain/scope.h"
#include "rsvpd/base/contract.h"

static const char *const names[] = {
    [SCOPE_READ] = "rsvp:read",
    [SCOPE_WRITE] = "rsvp:write",
    [SCOPE_ADMIN] = "rsvp:admin",
};

enum scope scope_named(struct slice name)
{
    for (enum scope scope = SCOPE_READ; scope <= SCOPE_ADMIN; scope++) {
        if (slice_equal(name, slice_of(names[scope]))) {
            return scope;
        }
    }
    return SCOPE_NONE;
}

const char *scope_name(enum scope scope)
{
    assert(scope >= SCOPE_READ && scope <= SCOPE_ADMIN);
    return names[scope];
}
