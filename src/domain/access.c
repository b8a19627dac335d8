/* Who may do what: one table. */
#include "rsvpd/domain/access.h"

static const struct {
    bool own;         /* the user themselves may */
    enum scope scope; /* others need it; SCOPE_NONE: whoever says who they are may */
} rules[] = {
    [ACCESS_OPEN] = {false, SCOPE_NONE},     [ACCESS_COUNTS] = {false, SCOPE_NONE},
    [ACCESS_SETTINGS] = {false, SCOPE_NONE}, [ACCESS_LISTS] = {false, SCOPE_READ},
    [ACCESS_OWN] = {true, SCOPE_READ},       [ACCESS_ACT] = {true, SCOPE_WRITE},
    [ACCESS_PERSON] = {true, SCOPE_ADMIN},   [ACCESS_ADMIN] = {false, SCOPE_ADMIN},
};

bool access_is_open(enum access access, const struct access_policy *policy)
{
    return access == ACCESS_OPEN || (access == ACCESS_COUNTS && policy->open_counts);
}

enum access_verdict access_check(enum access access, const struct access_policy *policy,
                                 const struct principal *principal, const struct identifier *user,
                                 enum scope *scope)
{
    assert(access >= ACCESS_OPEN && access <= ACCESS_ADMIN);
    bool own = rules[access].own && principal->kind == PRINCIPAL_TOKEN &&
               (user == NULL || identifier_equal(user, &principal->subject));
    bool any = access == ACCESS_LISTS && policy->open_lists;
    *scope = any ? SCOPE_NONE : rules[access].scope;
    if (access_is_open(access, policy)) {
        return ACCESS_GRANTED;
    }
    if (principal->kind == PRINCIPAL_ANONYMOUS) {
        return ACCESS_WANTS_CREDENTIALS;
    }
    return own || principal->scope >= *scope ? ACCESS_GRANTED : ACCESS_WANTS_SCOPE;
}
