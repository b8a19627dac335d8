/* Events with settings as tests see them. */
#include "event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "process.h"
#include "relation.h"
#include "test.h"

struct http_response *event_request(struct http_client *client, const char *method, const char *id,
                                    const char *body)
{
    char target[RELATION_TARGET_SIZE];
    snprintf(target, sizeof target, "/v1/events/%s", id);
    return http_request(client, method, target, &(const struct http_options){.body = body});
}

struct http_response *event_write(struct http_client *client, const char *method, const char *id,
                                  const char *user, const char *key)
{
    char target[RELATION_TARGET_SIZE], body[256], header[256];
    const char *const headers[] = {header, NULL};
    relation_action_target(target, &relations[RELATION_RSVP], id);
    snprintf(body, sizeof body, "{\"user_id\":\"%s\"}", user);
    snprintf(header, sizeof header, "Idempotency-Key: %s", key != NULL ? key : "");
    return http_request(
        client, method, target,
        &(const struct http_options){.body = body, .headers = key != NULL ? headers : NULL});
}

static bool is_word(const char *text, const char *word)
{
    return strcmp(text, word) == 0;
}

void expect_event_write_at(const char *file, int line, struct http_response *response,
                           const char *id, const char *user,
                           const struct event_write_answer *answer)
{
    const bool going = is_word(answer->status, "going");
    char position[64] = "";
    if (is_word(answer->status, "waitlisted")) {
        snprintf(position, sizeof position, "\"waitlist_position\":%lld,",
                 (long long)answer->position);
    }
    const int status = position[0] != '\0' ? 202 : going && answer->changed ? 201 : 200;
    expect_json_at(file, line, response, status,
                   "{\"event_id\":\"%s\",\"user_id\":\"%s\",\"has_rsvped\":%s,\"status\":\"%s\","
                   "%s\"changed\":%s,\"rsvp_count\":%lld}",
                   id, user, going ? "true" : "false", answer->status, position,
                   answer->changed ? "true" : "false", (long long)answer->count);
    expect_header_at(file, line, response, "Cache-Control", "no-store");
    http_response_free(&response);
}

void event_do_at(const char *file, int line, struct http_client *client, const char *method,
                 const char *id, const char *user, const struct event_write_answer *answer)
{
    struct http_response *response = event_write(client, method, id, user, NULL);
    expect_event_write_at(file, line, response, id, user, answer);
}

void event_refuses_at(const char *file, int line, struct http_client *client, const char *id,
                      const char *user, const char *code)
{
    struct http_response *response = event_write(client, "POST", id, user, NULL);
    expect_problem_at(file, line, response, 409, code);
    http_response_free(&response);
}

void expect_event_settings_at(const char *file, int line, struct http_response *response,
                              const char *id, const struct event_settings *settings)
{
    char remaining[32] = "null";
    if (settings->remaining >= 0) {
        snprintf(remaining, sizeof remaining, "%lld", (long long)settings->remaining);
    }
    expect_json_at(file, line, response, 200,
                   "{\"event_id\":\"%s\",%s,\"rsvp_count\":%lld,\"waitlist_count\":%lld,"
                   "\"remaining\":%s}",
                   id, settings->settings, (long long)settings->count, (long long)settings->waiting,
                   remaining);
    expect_header_at(file, line, response, "Cache-Control", "no-cache");
    http_response_free(&response);
}

void expect_event_at(const char *file, int line, struct http_client *client, const char *id,
                     const struct event_settings *settings)
{
    struct http_response *response = event_request(client, "GET", id, NULL);
    expect_event_settings_at(file, line, response, id, settings);
}

void event_put_at(const char *file, int line, struct http_client *client, const char *id,
                  const char *body)
{
    struct http_response *response = event_request(client, "PUT", id, body);
    expect_status_at(file, line, response, 200);
    http_response_free(&response);
}

void event_release_at(const char *file, int line, struct http_client *client, const char *id)
{
    struct http_response *response = event_request(client, "DELETE", id, NULL);
    expect_status_at(file, line, response, 200);
    http_response_free(&response);
}

void expect_event_user_at(const char *file, int line, struct http_client *client, const char *id,
                          const char *user, const char *status)
{
    struct http_response *response = relation_get_user(client, &relations[RELATION_RSVP], id, user);
    expect_json_at(file, line, response, 200,
                   "{\"event_id\":\"%s\",\"user_id\":\"%s\",\"has_rsvped\":%s,\"status\":\"%s\"}",
                   id, user, is_word(status, "going") ? "true" : "false", status);
    http_response_free(&response);
}

/* The users of a page as "a b c"; fails where a line is anything but a user and a time. */
static void join_users(const char *file, int line, const struct http_response *response,
                       char *joined, size_t size)
{
    size_t i, used = 0;
    const json_t *entry;
    joined[0] = '\0';
    json_array_foreach(json_object_get(response->json, "users"), i, entry)
    {
        const char *user = json_string_value(json_object_get(entry, "user_id"));
        expect_members_at(file, line, entry, (const char *const[]){"user_id", "created_at", NULL});
        if (user == NULL ||
            expect_parse_time(json_string_value(json_object_get(entry, "created_at"))) < 0) {
            process_fail("%s:%d: a line of a listing names no user or no time", file, line);
        }
        used += (size_t)snprintf(joined + used, size - used, "%s%s", i == 0 ? "" : " ", user);
        assert_true(used < size);
    }
}

void expect_event_list_at(const char *file, int line, struct http_client *client, const char *id,
                          const char *listing, const char *users)
{
    char target[RELATION_TARGET_SIZE], joined[1024];
    snprintf(target, sizeof target, "/v1/events/%s/%s", id, listing);
    struct http_response *response = http_request(client, "GET", target, NULL);
    expect_status_at(file, line, response, 200);
    expect_members_at(file, line, response->json, (const char *const[]){"event_id", "users", NULL});
    join_users(file, line, response, joined, sizeof joined);
    if (strcmp(joined, users) != 0) {
        print_error("%s of %s: \"%s\", expected \"%s\"\n", listing, id, joined, users);
        _fail(file, line);
    }
    http_response_free(&response);
}
