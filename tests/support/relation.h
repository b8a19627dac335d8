/* The two relations, RSVP and like, as tests see them: one table of words, and the requests and
 * answers built from it. Every helper that asserts fails at the caller's line. */
#ifndef RSVPD_TESTS_RELATION_H
#define RSVPD_TESTS_RELATION_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"

struct relation {
    const char *name; /* rsvp */
    const char *collection;
    const char *id_member;
    const char *action;
    const char *count_member;
    const char *flag;
    const char *table;
    const char *counter_table;
    bool has_status; /* RSVPs alone can be waitlisted one day */
};

enum { RELATION_RSVP, RELATION_LIKE, RELATION_COUNT };
extern const struct relation relations[RELATION_COUNT];

/* A cmocka test once for each relation; the test finds it in *state. Needs fixture.h. */
#define RELATION_TESTS(test)                                                                       \
    {#test " (rsvp)", test, NULL, fixture_heal, (void *)(uintptr_t)&relations[RELATION_RSVP]},     \
    {                                                                                              \
#test " (like)", test, NULL, fixture_heal, (void *)(uintptr_t)&relations[RELATION_LIKE]    \
    }

enum { RELATION_TARGET_SIZE = 1024 };

/* Targets under /v1; id and user are put in as they are. */
void relation_action_target(char target[RELATION_TARGET_SIZE], const struct relation *relation,
                            const char *id);
void relation_user_target(char target[RELATION_TARGET_SIZE], const struct relation *relation,
                          const char *id, const char *user);
void relation_count_target(char target[RELATION_TARGET_SIZE], const struct relation *relation,
                           const char *id, const char *query);

/* POST or DELETE with the user in the body. */
struct http_response *relation_write(struct http_client *client, const struct relation *relation,
                                     const char *method, const char *id, const char *user);
/* query is "" or begins with '?'. */
struct http_response *relation_get_count(struct http_client *client,
                                         const struct relation *relation, const char *id,
                                         const char *query);
struct http_response *relation_get_user(struct http_client *client, const struct relation *relation,
                                        const char *id, const char *user);

struct relation_write_answer {
    int status;
    const char *id;
    const char *user;
    bool is_in;
    bool changed;
    int64_t count;
};

/* The answer to a write, member by member; frees the response. */
#define expect_write(relation, response, ...)                                                      \
    expect_write_at(__FILE__, __LINE__, relation, response,                                        \
                    &(const struct relation_write_answer){__VA_ARGS__})
/* Asks whether the user is in. */
#define expect_member(client, relation, id, user, is_in)                                           \
    expect_member_at(__FILE__, __LINE__, client, relation, id, user, is_in)
/* Asks for the exact count (max_stale_ms=0). */
#define expect_exact_count(client, relation, id, count)                                            \
    expect_exact_count_at(__FILE__, __LINE__, client, relation, id, count)

void expect_write_at(const char *file, int line, const struct relation *relation,
                     struct http_response *response, const struct relation_write_answer *answer);
void expect_member_at(const char *file, int line, struct http_client *client,
                      const struct relation *relation, const char *id, const char *user,
                      bool is_in);
void expect_exact_count_at(const char *file, int line, struct http_client *client,
                           const struct relation *relation, const char *id, int64_t count);

#endif
