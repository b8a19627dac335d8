/* RSVPs and likes under load. */
#include "load_relation.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "expect.h"
#include "process.h"
#include "servers.h"

/* ---- requests ---- */

static void set_target(struct load_request *request, uint16_t port, const char *target,
                       const char *query)
{
    request->port = port;
    snprintf(request->target, sizeof request->target, "%s%s", target, query);
}

void load_ask_write(struct load_request *request, uint16_t port, const struct relation *relation,
                    bool join, const char *id, const char *user)
{
    char target[RELATION_TARGET_SIZE];
    char query[128];
    relation_action_target(target, relation, id);
    snprintf(query, sizeof query, "?user_id=%s", user);
    set_target(request, port, target, join ? "" : query);
    request->method = join ? "POST" : "DELETE";
    if (join) {
        snprintf(request->body, sizeof request->body, "{\"user_id\":\"%s\"}", user);
    }
}

void load_ask_member(struct load_request *request, uint16_t port, const struct relation *relation,
                     const char *id, const char *user)
{
    char target[RELATION_TARGET_SIZE];
    relation_user_target(target, relation, id, user);
    set_target(request, port, target, "");
    request->method = "GET";
}

void load_ask_count(struct load_request *request, uint16_t port, const struct relation *relation,
                    const char *id, int max_stale_ms)
{
    char target[RELATION_TARGET_SIZE];
    char query[32];
    relation_count_target(target, relation, id, "");
    snprintf(query, sizeof query, "?max_stale_ms=%d", max_stale_ms);
    set_target(request, port, target, max_stale_ms < 0 ? "" : query);
    request->method = "GET";
}

void load_ask_erasure(struct load_request *request, uint16_t port, const char *user)
{
    char target[RELATION_TARGET_SIZE];
    snprintf(target, sizeof target, "/v1/users/%s", user);
    set_target(request, port, target, "");
    request->method = "DELETE";
}

/* ---- answers ---- */

/* The member is this text; NULL: it is not there. */
static bool has_text(const json_t *json, const char *member, const char *text)
{
    const json_t *value = json_object_get(json, member);
    return text == NULL ? value == NULL
                        : json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}

static bool is_about(const struct load_answer *answer, const struct relation *relation, long status,
                     size_t members, const char *id, const char *user)
{
    return answer->status == status && json_object_size(answer->json) == members &&
           has_text(answer->json, relation->id_member, id) &&
           has_text(answer->json, "user_id", user);
}

/* The flag is there, and so is a status that agrees with it, where the relation has one. */
static bool read_flag(const json_t *json, const struct relation *relation, bool *is_in)
{
    const json_t *flag = json_object_get(json, relation->flag);
    *is_in = json_is_true(flag);
    const char *status = *is_in ? "going" : "none";
    return json_is_boolean(flag) && has_text(json, "status", relation->has_status ? status : NULL);
}

bool load_read_write(const struct load_exchange *exchange, const struct relation *relation,
                     bool join, const char *id, const char *user, struct load_write *write)
{
    const struct load_answer *answer = exchange->answer;
    const json_t *changed = json_object_get(answer->json, "changed");
    const json_t *count = json_object_get(answer->json, relation->count_member);
    bool is_in;
    *write = (struct load_write){
        .changed = json_is_true(changed),
        .count = json_integer_value(count),
    };
    const bool good = is_about(answer, relation, join && write->changed ? 201 : 200,
                               relation->has_status ? 6 : 5, id, user) &&
                      read_flag(answer->json, relation, &is_in) && is_in == join &&
                      json_is_boolean(changed) && json_is_integer(count);
    if (!good) {
        load_exchange_violation(exchange, "this is no success of a write");
    }
    return good;
}

bool load_read_member(const struct load_exchange *exchange, const struct relation *relation,
                      const char *id, const char *user, bool *is_in)
{
    const struct load_answer *answer = exchange->answer;
    const bool good = is_about(answer, relation, 200, relation->has_status ? 4 : 3, id, user) &&
                      read_flag(answer->json, relation, is_in);
    if (!good) {
        load_exchange_violation(exchange, "this says nothing about a membership");
    }
    return good;
}

/* Whoever waits does not go yet, and an answer to a write tells the position. */
static bool is_waiting(const struct load_exchange *exchange, const char *id, const char *user,
                       bool is_write)
{
    const struct load_answer *answer = exchange->answer;
    const json_t *position = json_object_get(answer->json, "waitlist_position");
    return has_text(answer->json, "status", "waitlisted") &&
           is_about(answer, &relations[RELATION_RSVP], is_write ? 202 : 200, is_write ? 7 : 4, id,
                    user) &&
           json_is_false(json_object_get(answer->json, relations[RELATION_RSVP].flag)) &&
           (is_write ? json_integer_value(position) >= 1 : position == NULL);
}

bool load_read_queued_write(const struct load_exchange *exchange, bool join, const char *id,
                            const char *user, struct load_write *write)
{
    const json_t *json = exchange->answer->json;
    const json_t *changed = json_object_get(json, "changed");
    const json_t *count = json_object_get(json, relations[RELATION_RSVP].count_member);
    if (join && is_waiting(exchange, id, user, true) && json_is_boolean(changed) &&
        json_is_integer(count)) {
        *write = (struct load_write){json_is_true(changed), json_integer_value(count)};
        return true;
    }
    return load_read_write(exchange, &relations[RELATION_RSVP], join, id, user, write);
}

bool load_read_queued_member(const struct load_exchange *exchange, const char *id, const char *user,
                             bool *is_in)
{
    if (is_waiting(exchange, id, user, false)) {
        *is_in = true;
        return true;
    }
    return load_read_member(exchange, &relations[RELATION_RSVP], id, user, is_in);
}

bool load_read_erasure(const struct load_exchange *exchange, const char *user, bool *complete)
{
    static const char *const kinds[] = {"rsvps", "likes", "waitlist", "idempotency_keys"};
    const struct load_answer *answer = exchange->answer;
    const json_t *flag = json_object_get(answer->json, "complete");
    const json_t *erased = json_object_get(answer->json, "erased");
    bool good = json_is_boolean(flag) && answer->status == (json_is_true(flag) ? 200 : 202) &&
                json_object_size(answer->json) == 3 && has_text(answer->json, "user_id", user) &&
                json_object_size(erased) == sizeof kinds / sizeof kinds[0];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const json_t *count = json_object_get(erased, kinds[i]);
        good = good && json_is_integer(count) && json_integer_value(count) >= 0;
    }
    *complete = json_is_true(flag);
    if (!good) {
        load_exchange_violation(exchange, "this is no success of an erasure");
    }
    return good;
}

bool load_read_count(const struct load_exchange *exchange, const struct relation *relation,
                     const char *id, struct load_count *count)
{
    const struct load_answer *answer = exchange->answer;
    const json_t *number = json_object_get(answer->json, relation->count_member);
    const json_t *stale = json_object_get(answer->json, "stale");
    const int64_t as_of_ms =
        expect_parse_time(json_string_value(json_object_get(answer->json, "as_of")));
    *count = (struct load_count){
        .count = json_integer_value(number),
        .as_of_us = as_of_ms * 1000,
        .stale = json_is_true(stale),
    };
    const bool good = is_about(answer, relation, 200, 4, id, NULL) && json_is_integer(number) &&
                      json_is_boolean(stale) && as_of_ms >= 0;
    if (!good) {
        load_exchange_violation(exchange, "this is no count");
    }
    return good;
}

enum load_refusal load_read_refusal(const struct load_answer *answer)
{
    static const struct {
        const char *code;
        long status;
        enum load_refusal refusal;
    } refusals[] = {
        {"store-unavailable", 503, REFUSAL_UNDONE},
        {"overloaded", 503, REFUSAL_UNDONE},
        {"outcome-unknown", 504, REFUSAL_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        if (answer->status == refusals[i].status &&
            has_text(answer->json, "code", refusals[i].code)) {
            return refusals[i].refusal;
        }
    }
    return REFUSAL_NONE;
}

/* ---- the database ---- */

void expect_counters_equal_rows(const char *database_url)
{
    for (size_t i = 0; i < RELATION_COUNT; i++) {
        const struct relation *relation = &relations[i];
        const int64_t wrong = pg_query_int64(
            database_url,
            "SELECT count(*) FROM (SELECT %s, count(*) AS n FROM %s GROUP BY 1) AS m"
            " FULL JOIN %s AS c USING (%s)"
            " WHERE coalesce(m.n, 0) <> coalesce(c.count, 0)",
            relation->id_member, relation->table, relation->counter_table, relation->id_member);
        if (wrong != 0) {
            process_fail("%lld rows of %s are not the number of rows in %s", (long long)wrong,
                         relation->counter_table, relation->table);
        }
    }
}
