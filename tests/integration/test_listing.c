/* Listings, which-of-these, and many counts over HTTP, as the contract's section 3 describes them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>
#include <stdatomic.h>

#include "event.h"
#include "expect.h"
#include "fixture.h"
#include "http.h"
#include "process.h"
#include "relation.h"
#include "test.h"

enum {
    TARGET_SIZE = 16 * 1024,
    MANY_MAX = 100,
    STEADY_USERS = 60,
    PAGING_ROUNDS = 30,
    CHURN_WRITES = 400
};

/* -- helpers --------------------------------------------------------------------------------------
 */

static struct http_response *get(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct http_response *get(const char *format, ...)
{
    char target[TARGET_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(target, sizeof target, format, arguments);
    va_end(arguments);
    return http_request(fixture.client, "GET", target, NULL);
}

static void put_in(const struct relation *relation, const char *id, const char *user)
{
    struct http_response *response = relation_write(fixture.client, relation, "POST", id, user);
    expect_status(response, 201);
    http_response_free(&response);
}

/* The lines of a listing are these, in this order, each with a time of about now. */
static void expect_lines(const struct http_response *response, const char *array,
                         const char *member, const char *const *ids, size_t size)
{
    const json_t *lines = json_object_get(response->json, array);
    expect_status(response, 200);
    assert_true(json_is_array(lines));
    assert_int_equal(json_array_size(lines), size);
    for (size_t i = 0; i < size; i++) {
        const json_t *line = json_array_get(lines, i);
        const char *created = json_string_value(json_object_get(line, "created_at"));
        expect_members(line, member, "created_at");
        assert_string_equal(json_string_value(json_object_get(line, member)), ids[i]);
        assert_non_null(created);
        const int64_t age_ms = expect_now_ms() - expect_parse_time(created);
        assert_in_range(age_ms + 10000, 0, 5 * 60 * 1000);
    }
}

static char *next_token(const struct http_response *response)
{
    const char *token = json_string_value(json_object_get(response->json, "next_page_token"));
    return token == NULL ? NULL : strdup(token);
}

/* -- who is in ------------------------------------------------------------------------------------
 */

static void users_come_in_order_page_by_page(void **state)
{
    const struct relation *relation = *state;
    /* Byte order, whatever the order of arrival. */
    static const char *const arrival[] = {"b", "a~", "A", "a", "_", "-", "a:1"};
    static const char *const sorted[] = {"-", "A", "_", "a", "a:1", "a~", "b"};
    char *token = NULL;
    for (size_t i = 0; i < LENGTH(arrival); i++) {
        put_in(relation, "paged", arrival[i]);
    }
    for (size_t at = 0; at < LENGTH(sorted); at += 3) {
        struct http_response *response =
            get("/v1/%s/paged/users?page_size=3%s%s", relation->collection,
                token == NULL ? "" : "&page_token=", token == NULL ? "" : token);
        const size_t left = LENGTH(sorted) - at;
        expect_lines(response, "users", "user_id", sorted + at, left < 3 ? left : 3);
        assert_string_equal(json_string_value(json_object_get(response->json, relation->id_member)),
                            "paged");
        free(token);
        token = next_token(response);
        const char *link = http_header(response, "Link");
        if (left > 3) {
            expect_members(response->json, relation->id_member, "users", "next_page_token");
            assert_non_null(link);
            assert_non_null(strstr(link, token));
            assert_non_null(strstr(link, ">; rel=\"next\""));
        } else {
            expect_members(response->json, relation->id_member, "users");
            assert_null(link);
        }
        http_response_free(&response);
    }
    assert_null(token);
}

/* The link is followed as it stands. */
static void link_leads_to_the_next_page(void **state)
{
    const struct relation *relation = *state;
    static const char *const users[] = {"u1", "u2"};
    put_in(relation, "linked:@~", "u1");
    put_in(relation, "linked:@~", "u2");
    struct http_response *first =
        get("/v1/%s/linked%%3A%%40~/users?page_size=1", relation->collection);
    expect_lines(first, "users", "user_id", users, 1);
    char target[TARGET_SIZE];
    assert_int_equal(sscanf(http_header(first, "Link"), "<%16383[^>]>", target), 1);
    struct http_response *second = get("%s", target);
    expect_lines(second, "users", "user_id", users + 1, 1);
    assert_null(json_object_get(second->json, "next_page_token"));
    http_response_free(&first);
    http_response_free(&second);
}

static void page_that_ends_with_the_list_is_the_last(void **state)
{
    const struct relation *relation = *state;
    static const char *const users[] = {"u1", "u2"};
    put_in(relation, "exact", "u2");
    put_in(relation, "exact", "u1");
    struct http_response *response = get("/v1/%s/exact/users?page_size=2", relation->collection);
    expect_lines(response, "users", "user_id", users, 2);
    assert_null(json_object_get(response->json, "next_page_token"));
    http_response_free(&response);
    response = get("/v1/%s/nobody-is-in/users", relation->collection);
    expect_lines(response, "users", "user_id", NULL, 0);
    http_response_free(&response);
}

/* -- what a user is in ----------------------------------------------------------------------------
 */

static void entities_of_a_user_come_in_order(void **state)
{
    const struct relation *relation = *state;
    static const char *const sorted[] = {"own-1", "own-2", "own-3"};
    char user[64];
    snprintf(user, sizeof user, "owner-%s", relation->name);
    put_in(relation, "own-3", user);
    put_in(relation, "own-1", user);
    put_in(relation, "own-2", user);
    put_in(relation, "own-2", "somebody-else");
    struct http_response *response = get("/v1/users/%s/%s?page_size=2", user, relation->collection);
    expect_lines(response, relation->collection, relation->id_member, sorted, 2);
    expect_members(response->json, "user_id", relation->collection, "next_page_token");
    char *token = next_token(response);
    http_response_free(&response);
    response = get("/v1/users/%s/%s?page_size=2&page_token=%s", user, relation->collection, token);
    expect_lines(response, relation->collection, relation->id_member, sorted + 2, 1);
    http_response_free(&response);
    free(token);
    response = get("/v1/users/%s/%s?%s=own-2&%s=never&%s=own-1", user, relation->collection,
                   relation->id_member, relation->id_member, relation->id_member);
    static const char *const found[] = {"own-2", "own-1"};
    expect_lines(response, relation->collection, relation->id_member, found, 2);
    http_response_free(&response);
}

/* -- tokens ---------------------------------------------------------------------------------------
 */

static void token_is_good_for_its_own_listing_alone(void **state)
{
    const struct relation *relation = *state;
    const struct relation *other =
        &relations[relation == &relations[RELATION_RSVP] ? RELATION_LIKE : RELATION_RSVP];
    put_in(relation, "tokens", "u1");
    put_in(relation, "tokens", "u2");
    struct http_response *response = get("/v1/%s/tokens/users?page_size=1", relation->collection);
    char *token = next_token(response);
    assert_non_null(token);
    http_response_free(&response);
    const struct {
        const char *collection, *id;
    } foreign[] = {{relation->collection, "tokens-2"}, {other->collection, "tokens"}};
    for (size_t i = 0; i < LENGTH(foreign); i++) {
        response =
            get("/v1/%s/%s/users?page_token=%s", foreign[i].collection, foreign[i].id, token);
        expect_problem_naming(response, 400, "invalid-parameter", "page_token");
        http_response_free(&response);
    }
    response = get("/v1/users/tokens/%s?page_token=%s", relation->collection, token);
    expect_problem_naming(response, 400, "invalid-parameter", "page_token");
    http_response_free(&response);
    for (size_t i = 0; token[i] != '\0'; i++) {
        const char was = token[i];
        token[i] = was == 'A' ? 'B' : 'A';
        response = get("/v1/%s/tokens/users?page_token=%s", relation->collection, token);
        expect_problem_naming(response, 400, "invalid-parameter", "page_token");
        http_response_free(&response);
        token[i] = was;
    }
    response = get("/v1/%s/tokens/users?page_token=%s", relation->collection, token);
    expect_status(response, 200);
    http_response_free(&response);
    free(token);
}

static void bad_parameters_are_named(void **state)
{
    const struct relation *relation = *state;
    static const struct {
        const char *query, *code, *word;
    } rows[] = {
        {"page_size=0", "invalid-parameter", "page_size"},
        {"page_size=1001", "invalid-parameter", "page_size"},
        {"page_size=-1", "invalid-parameter", "page_size"},
        {"page_size=ten", "invalid-parameter", "page_size"},
        {"page_size=", "invalid-parameter", "page_size"},
        {"page_size=1&page_size=1", "invalid-parameter", "page_size"},
        {"page_token=", "invalid-parameter", "page_token"},
        {"page_token=rubbish", "invalid-parameter", "page_token"},
        {"page_token=%00", "invalid-parameter", "page_token"},
        {"user_id=a&page_size=1", "invalid-parameter", "page_size"},
        {"user_id=a&page_token=x", "invalid-parameter", "page_token"},
        {"user_id=", "invalid-identifier", "user_id"},
        {"user_id=a&user_id=b%20c", "invalid-identifier", "user_id"},
        {"page=1", "invalid-parameter", "page"},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct http_response *response =
            get("/v1/%s/params/users?%s", relation->collection, rows[i].query);
        expect_problem_naming(response, 400, rows[i].code, rows[i].word);
        http_response_free(&response);
    }
}

/* -- which of these -------------------------------------------------------------------------------
 */

/* "name=<128 bytes that end with the number>&…", `size` times. */
static void repeat_parameter(char *query, const char *name, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        used += (size_t)snprintf(query + used, TARGET_SIZE - used, "%s%s=%0124zu.%03zu",
                                 i == 0 ? "" : "&", name, (size_t)0, i);
    }
}

static void many_of_the_longest_names_are_looked_up(void **state)
{
    const struct relation *relation = *state;
    char query[TARGET_SIZE], user[129];
    const char *found[] = {user};
    snprintf(user, sizeof user, "%0124zu.%03zu", (size_t)0, (size_t)42);
    put_in(relation, "which", user);
    repeat_parameter(query, "user_id", MANY_MAX);
    struct http_response *response = get("/v1/%s/which/users?%s", relation->collection, query);
    expect_lines(response, "users", "user_id", found, 1);
    http_response_free(&response);
    repeat_parameter(query, "user_id", MANY_MAX + 1);
    response = get("/v1/%s/which/users?%s", relation->collection, query);
    expect_problem_naming(response, 400, "invalid-parameter", "user_id");
    http_response_free(&response);
}

static void many_counts_come_in_the_order_asked(void **state)
{
    const struct relation *relation = *state;
    static const char *const ids[] = {"counted-b", "counted-never", "counted-a", "counted-b"};
    static const int64_t counts[] = {2, 0, 1, 2};
    put_in(relation, "counted-a", "u1");
    put_in(relation, "counted-b", "u1");
    put_in(relation, "counted-b", "u2");
    struct http_response *response =
        get("/v1/%s_counts?%s=%s&%s=%s&%s=%s&%s=%s&max_stale_ms=0", relation->name,
            relation->id_member, ids[0], relation->id_member, ids[1], relation->id_member, ids[2],
            relation->id_member, ids[3]);
    expect_status(response, 200);
    expect_members(response->json, "counts");
    const json_t *lines = json_object_get(response->json, "counts");
    assert_int_equal(json_array_size(lines), LENGTH(ids));
    for (size_t i = 0; i < LENGTH(ids); i++) {
        const json_t *line = json_array_get(lines, i);
        expect_members(line, relation->id_member, relation->count_member, "as_of", "stale");
        assert_string_equal(json_string_value(json_object_get(line, relation->id_member)), ids[i]);
        assert_int_equal(json_integer_value(json_object_get(line, relation->count_member)),
                         counts[i]);
        assert_true(json_is_false(json_object_get(line, "stale")));
    }
    http_response_free(&response);
    response = get("/v1/%s_counts", relation->name);
    expect_problem_naming(response, 400, "invalid-parameter", relation->id_member);
    http_response_free(&response);
}

/* -- paging while others write --------------------------------------------------------------------
 */

struct churn {
    const struct relation *relation;
    const char *id;
    atomic_bool stop;
    atomic_uint writes;
    size_t failures;
};

/* Users between the steady ones come and go all the time. */
static void *churn(void *churn_)
{
    struct churn *churn = churn_;
    struct http_client *client = http_client_create(fixture.service->port);
    bool is_in[STEADY_USERS][5] = {{false}};
    for (unsigned i = 0; !atomic_load(&churn->stop); i++) {
        const unsigned place = i * 7 % STEADY_USERS, variant = i / STEADY_USERS % 5;
        char user[32];
        snprintf(user, sizeof user, "s%03u-%u", place, variant);
        is_in[place][variant] = !is_in[place][variant];
        struct http_response *response = relation_write(
            client, churn->relation, is_in[place][variant] ? "POST" : "DELETE", churn->id, user);
        churn->failures += response->status < 200 || response->status > 202;
        atomic_fetch_add(&churn->writes, 1);
        http_response_free(&response);
    }
    http_client_destroy(&client);
    return NULL;
}

/* Walks the listing once: every steady user comes once, in order. Who comes and goes may come
 * anywhere, and where the order is that of arrival also twice. */
static void walk(const struct relation *relation, const char *listing, bool by_name)
{
    char *token = NULL, last[65] = "", last_steady[65] = "";
    unsigned steady = 0;
    do {
        struct http_response *response =
            get("/v1/%s/%s?page_size=7%s%s", relation->collection, listing,
                token == NULL ? "" : "&page_token=", token == NULL ? "" : token);
        expect_status(response, 200);
        size_t i;
        const json_t *line;
        json_array_foreach(json_object_get(response->json, "users"), i, line)
        {
            const char *user = json_string_value(json_object_get(line, "user_id"));
            assert_true(!by_name || strcmp(user, last) > 0);
            snprintf(last, sizeof last, "%s", user);
            if (strchr(user, '-') == NULL) {
                assert_true(strcmp(user, last_steady) > 0);
                snprintf(last_steady, sizeof last_steady, "%s", user);
                steady++;
            }
        }
        free(token);
        token = next_token(response);
        http_response_free(&response);
    } while (token != NULL);
    assert_int_equal(steady, STEADY_USERS);
}

static void walk_during_churn(const struct relation *relation, const char *id, const char *listing,
                              bool by_name)
{
    struct churn churned = {.relation = relation, .id = id};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, churn, &churned), 0);
    for (int i = 0; i < PAGING_ROUNDS || atomic_load(&churned.writes) < CHURN_WRITES; i++) {
        walk(relation, listing, by_name);
    }
    atomic_store(&churned.stop, true);
    pthread_join(thread, NULL);
    assert_int_equal(churned.failures, 0);
}

static void paging_misses_nobody_and_repeats_nobody(void **state)
{
    const struct relation *relation = *state;
    for (unsigned i = 0; i < STEADY_USERS; i++) {
        char user[32];
        snprintf(user, sizeof user, "s%03u", i);
        put_in(relation, "churn", user);
    }
    walk_during_churn(relation, "churn", "churn/users", true);
}

/* The steady ones have users between them who leave the list, and come back at its end. */
static void paging_of_a_waiting_list_misses_nobody_and_repeats_nobody(NO_STATE)
{
    const struct relation *relation = &relations[RELATION_RSVP];
    event_put(fixture.client, "queue", "{\"capacity\":0,\"waitlist\":true}");
    for (unsigned i = 0; i < STEADY_USERS; i++) {
        char user[32];
        snprintf(user, sizeof user, "s%03u", i);
        event_do(fixture.client, "POST", "queue", user, .status = "waitlisted", .changed = true,
                 .position = 2 * i + 1);
        snprintf(user, sizeof user, "s%03u-%u", i, i % 5);
        event_do(fixture.client, "POST", "queue", user, .status = "waitlisted", .changed = true,
                 .position = 2 * i + 2);
    }
    walk_during_churn(relation, "queue", "queue/waitlist", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RELATION_TESTS(users_come_in_order_page_by_page),
        RELATION_TESTS(link_leads_to_the_next_page),
        RELATION_TESTS(page_that_ends_with_the_list_is_the_last),
        RELATION_TESTS(entities_of_a_user_come_in_order),
        RELATION_TESTS(token_is_good_for_its_own_listing_alone),
        RELATION_TESTS(bad_parameters_are_named),
        RELATION_TESTS(many_of_the_longest_names_are_looked_up),
        RELATION_TESTS(many_counts_come_in_the_order_asked),
        RELATION_TESTS(paging_misses_nobody_and_repeats_nobody),
        cmocka_unit_test(paging_of_a_waiting_list_misses_nobody_and_repeats_nobody),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
