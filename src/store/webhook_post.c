/* Sends webhooks. */
#include "rsvpd/store/webhook_post.h"

#include <stdio.h>

enum { CONNECT_TIMEOUT_MS = 5 * 1000, TIMEOUT_MS = 20 * 1000, FIELD_SIZE_BYTES = 256 };
enum { STATUS_GONE = 410 };

static bool is_cancelled(const void *cancelled)
{
    return atomic_load((const _Atomic bool *)cancelled);
}

struct http_post *webhook_post_create(const _Atomic bool *cancelled)
{
    return http_post_create(&(struct http_post_setup){.connect_timeout_ms = CONNECT_TIMEOUT_MS,
                                                      .timeout_ms = TIMEOUT_MS,
                                                      .gives_up = is_cancelled,
                                                      .owner = (const void *)cancelled});
}

static bool add_field(struct curl_slist **fields, const char *name, const char *value)
{
    char field[FIELD_SIZE_BYTES];
    int size = snprintf(field, sizeof field, "%s: %s", name, value);
    assert(size > 0 && (size_t)size < sizeof field);
    return http_post_add_field(fields, field);
}

/* False where memory is exhausted. The body is sent at once, without asking (Expect). */
static bool add_fields(struct curl_slist **fields, const struct webhook_message *message)
{
    char timestamp[24];
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)message->timestamp_s);
    return http_post_add_field(fields, "Content-Type: application/json") &&
           http_post_add_field(fields, "Expect:") && add_field(fields, "webhook-id", message->id) &&
           add_field(fields, "webhook-timestamp", timestamp) &&
           add_field(fields, "webhook-signature", message->signature);
}

static enum webhook_post_result judge(long status)
{
    return status >= 200 && status < 300 ? WEBHOOK_POST_TAKEN
           : status == STATUS_GONE       ? WEBHOOK_POST_GONE
                                         : WEBHOOK_POST_LATER;
}

enum webhook_post_result webhook_post_send(struct http_post *post,
                                           const struct webhook_message *message,
                                           char reason[HTTP_POST_REASON_SIZE_BYTES],
                                           int64_t *after_s)
{
    struct http_post_answer answer = {.reason = "not enough memory"};
    struct curl_slist *fields = NULL;
    if (add_fields(&fields, message)) {
        const struct http_post_request request = {message->url, fields, message->body};
        http_post_send(post, &request, &answer);
    }
    http_post_free_fields(&fields);
    snprintf(reason, HTTP_POST_REASON_SIZE_BYTES, "%s", answer.reason);
    *after_s = answer.after_s;
    return judge(answer.status);
}
