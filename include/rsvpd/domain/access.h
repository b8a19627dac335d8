/* Who sends a request, what each route asks of them, and whether they meet it. */
#ifndef RSVPD_DOMAIN_ACCESS_H
#define RSVPD_DOMAIN_ACCESS_H

#include "rsvpd/domain/identifier.h"
#include "rsvpd/domain/scope.h"

enum principal_kind {
    PRINCIPAL_ANONYMOUS, /* showed nothing, or nothing that is good */
    PRINCIPAL_TRUSTED,   /* callers are trusted: each may do everything, and names the user */
    PRINCIPAL_TOKEN,     /* a user */
    PRINCIPAL_KEY,       /* a service */
};

struct principal {
    enum principal_kind kind;
    enum scope scope;
    struct identifier subject; /* PRINCIPAL_TOKEN: the user */
    int64_t good_until_us; /* PRINCIPAL_TOKEN, PRINCIPAL_KEY: since the Unix epoch; INT64_MAX: for
                              ever */
    int64_t key_id;        /* PRINCIPAL_KEY */
};

/* What a route asks. There is no default: each names its own. */
enum access {
    ACCESS_OPEN = 1, /* nothing */
    ACCESS_COUNTS,   /* nothing, or where counts are not open any valid token or key */
    ACCESS_SETTINGS, /* any valid token or key */
    ACCESS_LISTS,    /* any valid token or key, or where lists are not open SCOPE_READ */
    ACCESS_OWN,      /* to be the user, or SCOPE_READ */
    ACCESS_ACT,      /* to be the user, or SCOPE_WRITE */
    ACCESS_PERSON,   /* to be the user, or SCOPE_ADMIN */
    ACCESS_ADMIN,    /* SCOPE_ADMIN */
};

/* What an operator leaves open. */
struct access_policy {
    bool open_counts, open_lists;
};

enum access_verdict {
    ACCESS_GRANTED,
    ACCESS_WANTS_CREDENTIALS, /* they must say who they are */
    ACCESS_WANTS_SCOPE        /* they may not */
};

/* Whether a request may go on. `user`: whom it names so far; NULL: nobody, who is judged once they
 * are named. Where it wants a scope, `scope` says which one would do. */
enum access_verdict access_check(enum access access, const struct access_policy *policy,
                                 const struct principal *principal, const struct identifier *user,
                                 enum scope *scope);

/* Whether nobody is asked who they are. */
bool access_is_open(enum access access, const struct access_policy *policy);

#endif
