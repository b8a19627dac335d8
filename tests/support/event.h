/* Events with settings as tests see them: requests, and the answers the contract has for them.
 * Every helper that asserts fails at the caller's line. */
#ifndef RSVPD_TESTS_EVENT_H
#define RSVPD_TESTS_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "http.h"

/* Any method on /v1/events/{id}; body may be NULL. */
struct http_response *event_request(struct http_client *client, const char *method, const char *id,
                                    const char *body);
/* POST or DELETE of the user's RSVP; key is an Idempotency-Key as it is to be sent, or NULL. */
struct http_response *event_write(struct http_client *client, const char *method, const char *id,
                                  const char *user, const char *key);

/* What an answer to a write says. */
struct event_write_answer {
    const char *status; /* going, waitlisted or none */
    bool changed;
    int64_t count;
    int64_t position; /* of those who are waitlisted */
};

/* What GET and PUT say of an event. */
struct event_settings {
    const char *settings; /* the four members as JSON, without braces */
    int64_t count;
    int64_t waiting;
    int64_t remaining; /* -1: null */
};

/* The response is the success of a write, all of it; its HTTP status follows from the answer. */
#define expect_event_write(response, id, user, ...)                                                \
    expect_event_write_at(__FILE__, __LINE__, response, id, user,                                  \
                          &(const struct event_write_answer){__VA_ARGS__})
/* Sends a write without a key and expects that success of it. */
#define event_do(client, method, id, user, ...)                                                    \
    event_do_at(__FILE__, __LINE__, client, method, id, user,                                      \
                &(const struct event_write_answer){__VA_ARGS__})
/* POSTs and expects the problem: event-full or rsvp-closed. */
#define event_refuses(client, id, user, code)                                                      \
    event_refuses_at(__FILE__, __LINE__, client, id, user, code)
/* The response is that of GET or PUT of the event. */
#define expect_event_settings(response, id, ...)                                                   \
    expect_event_settings_at(__FILE__, __LINE__, response, id,                                     \
                             &(const struct event_settings){__VA_ARGS__})
/* GETs the event and expects that. */
#define expect_event(client, id, ...)                                                              \
    expect_event_at(__FILE__, __LINE__, client, id, &(const struct event_settings){__VA_ARGS__})
/* PUTs the body and expects a success. */
#define event_put(client, id, body) event_put_at(__FILE__, __LINE__, client, id, body)
/* DELETEs the settings and expects a success. */
#define event_release(client, id) event_release_at(__FILE__, __LINE__, client, id)
/* The look-up of a user says this status. */
#define expect_event_user(client, id, user, status)                                                \
    expect_event_user_at(__FILE__, __LINE__, client, id, user, status)
/* The list of users, or the waiting list, holds exactly these ("a b c") in this order. */
#define expect_event_users(client, id, users)                                                      \
    expect_event_list_at(__FILE__, __LINE__, client, id, "users", users)
#define expect_event_waitlist(client, id, users)                                                   \
    expect_event_list_at(__FILE__, __LINE__, client, id, "waitlist", users)

void expect_event_write_at(const char *file, int line, struct http_response *response,
                           const char *id, const char *user,
                           const struct event_write_answer *answer);
void event_do_at(const char *file, int line, struct http_client *client, const char *method,
                 const char *id, const char *user, const struct event_write_answer *answer);
void event_refuses_at(const char *file, int line, struct http_client *client, const char *id,
                      const char *user, const char *code);
void expect_event_settings_at(const char *file, int line, struct http_response *response,
                              const char *id, const struct event_settings *settings);
void expect_event_at(const char *file, int line, struct http_client *client, const char *id,
                     const struct event_settings *settings);
void event_put_at(const char *file, int line, struct http_client *client, const char *id,
                  const char *body);
void event_release_at(const char *file, int line, struct http_client *client, const char *id);
void expect_event_user_at(const char *file, int line, struct http_client *client, const char *id,
                          const char *user, const char *status);
void expect_event_list_at(const char *file, int line, struct http_client *client, const char *id,
                          const char *listing, const char *users);

#endif
