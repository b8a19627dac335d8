/* Who may do what: every kind of principal against everything that a route can ask. */
#include "unit.h"

#include "rsvpd/domain/access.h"

static struct identifier named(const char *id)
{
    struct identifier out;
    assert_true(identifier_parse(slice_of(id), &out));
    return out;
}

/* One letter for each principal, in the order below: g granted, c wants credentials, r w a wants
 * that scope. */
static const struct {
    enum access access;
    const char *policy; /* c: counts are open; l: lists are open */
    const char *own, *other, *nobody;
} cases[] = {
    /* anonymous, trusted, token without and with each scope, key with each scope */
    {ACCESS_OPEN, "", "ggggggggg", "ggggggggg", "ggggggggg"},
    {ACCESS_COUNTS, "c", "ggggggggg", "ggggggggg", "ggggggggg"},
    {ACCESS_COUNTS, "", "cgggggggg", "cgggggggg", "cgggggggg"},
    {ACCESS_SETTINGS, "", "cgggggggg", "cgggggggg", "cgggggggg"},
    {ACCESS_SETTINGS, "cl", "cgggggggg", "cgggggggg", "cgggggggg"},
    {ACCESS_LISTS, "l", "cgggggggg", "cgggggggg", "cgggggggg"},
    {ACCESS_LISTS, "c", "cgrgggggg", "cgrgggggg", "cgrgggggg"},
    {ACCESS_OWN, "cl", "cgggggggg", "cgrgggggg", "cgggggggg"},
    {ACCESS_ACT, "cl",
     "cggggg"
     "wgg",
     "cgwwgg"
     "wgg",
     "cggggg"
     "wgg"},
    {ACCESS_PERSON, "cl",
     "cggggg"
     "aag",
     "cgaaag"
     "aag",
     "cggggg"
     "aag"},
    {ACCESS_ADMIN, "cl",
     "cgaaag"
     "aag",
     "cgaaag"
     "aag",
     "cgaaag"
     "aag"},
};

static char letter_of(enum access access, const struct access_policy *policy,
                      const struct principal *principal, const struct identifier *user)
{
    static const char scopes[] = {[SCOPE_READ] = 'r', [SCOPE_WRITE] = 'w', [SCOPE_ADMIN] = 'a'};
    enum scope scope;
    switch (access_check(access, policy, principal, user, &scope)) {
    case ACCESS_GRANTED:
        return 'g';
    case ACCESS_WANTS_CREDENTIALS:
        return 'c';
    case ACCESS_WANTS_SCOPE:
        return scopes[scope];
    }
    return '?';
}

static void test_everybody_against_everything(NO_STATE)
{
    const struct identifier me = named("me"), you = named("you");
    const struct principal principals[] = {
        {.kind = PRINCIPAL_ANONYMOUS},
        {.kind = PRINCIPAL_TRUSTED, .scope = SCOPE_ADMIN},
        {.kind = PRINCIPAL_TOKEN, .subject = me},
        {.kind = PRINCIPAL_TOKEN, .subject = me, .scope = SCOPE_READ},
        {.kind = PRINCIPAL_TOKEN, .subject = me, .scope = SCOPE_WRITE},
        {.kind = PRINCIPAL_TOKEN, .subject = me, .scope = SCOPE_ADMIN},
        {.kind = PRINCIPAL_KEY, .scope = SCOPE_READ},
        {.kind = PRINCIPAL_KEY, .scope = SCOPE_WRITE},
        {.kind = PRINCIPAL_KEY, .scope = SCOPE_ADMIN},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct access_policy policy = {.open_counts = strchr(cases[i].policy, 'c') != NULL,
                                       .open_lists = strchr(cases[i].policy, 'l') != NULL};
        const struct {
            const struct identifier *user;
            const char *expected;
        } users[] = {{&me, cases[i].own}, {&you, cases[i].other}, {NULL, cases[i].nobody}};
        for (size_t j = 0; j < LENGTH(users); j++) {
            char got[LENGTH(principals) + 1] = "";
            for (size_t k = 0; k < LENGTH(principals); k++) {
                got[k] = letter_of(cases[i].access, &policy, &principals[k], users[j].user);
            }
            assert_string_equal(got, users[j].expected);
        }
        assert_int_equal(access_is_open(cases[i].access, &policy), cases[i].nobody[0] == 'g');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everybody_against_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
