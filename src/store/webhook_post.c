/* Sends webhooks. */
#include "rsvpd/store/webhook_post.h"
#include "rsvpd/store/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECT_TIMEOUT_MS = 5 * 1000, TIMEOUT_MS = 20 * 1000, FIELD_SIZE_BYTES = 256 };
enum { STATUS_GONE = 410, ANSWER_SIZE_MAX_BYTES = 64 * 1024 };

struct webhook_post {
    CURL *transfer;  /* keeps its connection */
    size_t received; /* bytes of the answer */
    const _Atomic bool *cancelled;
};

/* All that matters of an answer is its status: one without an end is cut short. */
static size_t drop_bytes(const char *bytes, size_t one, size_t size, void *post_)
{
    struct webhook_post *post = post_;
    (void)bytes;
    (void)one; /* it is 1 */
    post->received += size;
    return post->received <= ANSWER_SIZE_MAX_BYTES ? size : 0;
}

/* libcurl asks every now and then: at least once in a second. */
static int is_cancelled(void *post_, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct webhook_post *post = post_;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(post->cancelled);
}

static bool prepare(struct webhook_post *post)
{
    CURL *transfer = post->transfer;
    return fetch_set_common(transfer, NULL) &&
           curl_easy_setopt(transfer, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS) ==
               CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_WRITEFUNCTION, drop_bytes) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_WRITEDATA, post) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_XFERINFOFUNCTION, is_cancelled) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_XFERINFODATA, post) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

struct webhook_post *webhook_post_create(const _Atomic bool *cancelled)
{
    struct webhook_post *post = calloc(1, sizeof *post);
    if (post == NULL) {
        return NULL;
    }
    bool made = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    post->cancelled = cancelled;
    post->transfer = made ? curl_easy_init() : NULL;
    if (post->transfer == NULL || !prepare(post)) {
        webhook_post_destroy(&post);
    }
    return post;
}

void webhook_post_destroy(struct webhook_post **post)
{
    if (*post != NULL) {
        curl_easy_cleanup((*post)->transfer);
        free(*post);
        *post = NULL;
    }
}

/* The list with a further field; NULL, and nothing is left of it, where memory is exhausted. */
static struct curl_slist *add_field(struct curl_slist *fields, bool *added, const char *name,
                                    const char *value)
{
    char field[FIELD_SIZE_BYTES];
    int size = snprintf(field, sizeof field, "%s: %s", name, value);
    assert(size > 0 && (size_t)size < sizeof field);
    struct curl_slist *longer = *added ? curl_slist_append(fields, field) : NULL;
    *added = longer != NULL;
    return *added ? longer : fields;
}

/* NULL where memory is exhausted. The body is sent at once, without asking (Expect). */
static struct curl_slist *fields_of(const struct webhook_message *message)
{
    char timestamp[24];
    bool added = true;
    snprintf(timestamp, sizeof timestamp, "%lld", (long long)message->timestamp_s);
    struct curl_slist *fields = add_field(NULL, &added, "Content-Type", "application/json");
    fields = add_field(fields, &added, "webhook-id", message->id);
    fields = add_field(fields, &added, "webhook-timestamp", timestamp);
    fields = add_field(fields, &added, "webhook-signature", message->signature);
    fields = add_field(fields, &added, "Expect", "");
    if (!added) {
        curl_slist_free_all(fields);
        fields = NULL;
    }
    return fields;
}

static enum webhook_post_result judge(struct webhook_post *post, CURLcode result,
                                      char reason[WEBHOOK_POST_REASON_SIZE_BYTES], int64_t *after_s)
{
    long status = 0;
    curl_off_t after = 0;
    curl_easy_getinfo(post->transfer, CURLINFO_RESPONSE_CODE, &status);
    if (result != CURLE_OK && post->received <= ANSWER_SIZE_MAX_BYTES) {
        snprintf(reason, WEBHOOK_POST_REASON_SIZE_BYTES, "%s", curl_easy_strerror(result));
        return WEBHOOK_POST_LATER;
    }
    curl_easy_getinfo(post->transfer, CURLINFO_RETRY_AFTER, &after);
    *after_s = after;
    snprintf(reason, WEBHOOK_POST_REASON_SIZE_BYTES, "status %ld%s", status,
             status >= 300 && status < 400 ? ": redirects are not followed" : "");
    return status >= 200 && status < 300 ? WEBHOOK_POST_TAKEN
           : status == STATUS_GONE       ? WEBHOOK_POST_GONE
                                         : WEBHOOK_POST_LATER;
}

enum webhook_post_result webhook_post_send(struct webhook_post *post,
                                           const struct webhook_message *message,
                                           char reason[WEBHOOK_POST_REASON_SIZE_BYTES],
                                           int64_t *after_s)
{
    CURL *transfer = post->transfer;
    struct curl_slist *fields = fields_of(message);
    enum webhook_post_result result = WEBHOOK_POST_LATER;
    post->received = 0;
    *after_s = 0;
    snprintf(reason, WEBHOOK_POST_REASON_SIZE_BYTES, "not enough memory");
    if (fields != NULL && curl_easy_setopt(transfer, CURLOPT_URL, message->url) == CURLE_OK &&
        curl_easy_setopt(transfer, CURLOPT_HTTPHEADER, fields) == CURLE_OK &&
        curl_easy_setopt(transfer, CURLOPT_POSTFIELDS, message->body.data) == CURLE_OK &&
        curl_easy_setopt(transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)message->body.size) ==
            CURLE_OK) {
        result = judge(post, curl_easy_perform(transfer), reason, after_s);
    }
    curl_easy_setopt(transfer, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(fields);
    return result;
}
