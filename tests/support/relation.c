/* The two relations as tests see them. */
#include "relation.h"

#include <stdio.h>

#include "expect.h"

const struct relation relations[RELATION_COUNT] = {
    [RELATION_RSVP] = {"rsvp", "events", "event_id", "rsvp", "rsvp_count", "has_rsvped", "rsvps",
                       "rsvp_counters", true},
    [RELATION_LIKE] = {"like", "posts", "post_id", "like", "like_count", "has_liked", "likes",
                       "like_counters", false},
};

void relation_action_target(char target[RELATION_TARGET_SIZE], const struct relation *relation,
                            const char *id)
{
    snprintf(target, RELATION_TARGET_SIZE, "/v1/%s/%s/%s", relation->collection, id,
             relation->action);
}

void relation_user_target(char target[RELATION_TARGET_SIZE], const struct relation *relation,
                          const char *id, const char *user)
{
    snprintf(target, RELATION_TARGET_SIZE, "/v1/%s/%s/users/%s", relation->collection, id, user);
}

void relation_count_target(char target[RELATION_TARGET_SIZE], const struct relation *relation,
                           const char *id, const char *query)
{
    snprintf(target, RELATION_TARGET_SIZE, "/v1/%s/%s/%s%s", relation->collection, id,
             relation->count_member, query);
}

struct http_response *relation_write(struct http_client *client, const struct relation *relation,
                                     const char *method, const char *id, const char *user)
{
    char target[RELATION_TARGET_SIZE];
    char body[256];
    relation_action_target(target, relation, id);
    snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", user);
    return http_request(client, method, target, &(const struct http_options){.body = body});
}

struct http_response *relation_get_count(struct http_client *client,
                                         const struct relation *relation, const char *id,
                                         const char *query)
{
    char target[RELATION_TARGET_SIZE];
    relation_count_target(target, relation, id, query);
    return http_request(client, "GET", target, NULL);
}

struct http_response *relation_get_user(struct http_client *client, const struct relation *relation,
                                        const char *id, const char *user)
{
    char target[RELATION_TARGET_SIZE];
    relation_user_target(target, relation, id, user);
    return http_request(client, "GET", target, NULL);
}

/* The status member with the comma in front of it, for RSVPs. */
static const char *status_member(const struct relation *relation, bool is_in)
{
    if (!relation->has_status) {
        return "";
    }
    return is_in ? ",\"status\":\"going\"" : ",\"status\":\"none\"";
}

static const char *bool_text(bool value)
{
    return value ? "true" : "false";
}

void expect_write_at(const char *file, int line, const struct relation *relation,
                     struct http_response *response, const struct relation_write_answer *answer)
{
    expect_json_at(file, line, response, answer->status,
                   "{\"%s\":\"%s\",\"user_id\":\"%s\",\"%s\":%s%s,\"changed\":%s,\"%s\":%lld}",
                   relation->id_member, answer->id, answer->user, relation->flag,
                   bool_text(answer->is_in), status_member(relation, answer->is_in),
                   bool_text(answer->changed), relation->count_member, (long long)answer->count);
    http_response_free(&response);
}

void expect_member_at(const char *file, int line, struct http_client *client,
                      const struct relation *relation, const char *id, const char *user, bool is_in)
{
    struct http_response *response = relation_get_user(client, relation, id, user);
    expect_json_at(file, line, response, 200, "{\"%s\":\"%s\",\"user_id\":\"%s\",\"%s\":%s%s}",
                   relation->id_member, id, user, relation->flag, bool_text(is_in),
                   status_member(relation, is_in));
    expect_header_at(file, line, response, "Cache-Control", "private, no-cache");
    http_response_free(&response);
}

void expect_exact_count_at(const char *file, int line, struct http_client *client,
                           const struct relation *relation, const char *id, int64_t count)
{
    struct http_response *response = relation_get_count(client, relation, id, "?max_stale_ms=0");
    expect_count_at(file, line, response, relation->id_member, id, relation->count_member, count,
                    false);
    http_response_free(&response);
}
