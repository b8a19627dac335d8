/* Posts documents. */
#include "rsvpd/store/http_post.h"
#include "rsvpd/store/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_SIZE_MAX_BYTES = 64 * 1024 };

struct http_post {
    struct http_post_setup setup;
    CURL *transfer;  /* keeps its connection */
    size_t received; /* bytes of the answer's body */
};

/* All that matters of an answer is its head: a body without an end is cut short. */
static size_t drop_bytes(const char *bytes, size_t one, size_t size, void *post_)
{
    struct http_post *post = post_;
    (void)bytes;
    (void)one; /* it is 1 */
    post->received += size;
    return post->received <= ANSWER_SIZE_MAX_BYTES ? size : 0;
}

static int gives_up(void *post_, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct http_post *post = post_;
    (void)a, (void)b, (void)c, (void)d;
    return post->setup.gives_up(post->setup.owner);
}

static bool prepare(struct http_post *post)
{
    CURL *transfer = post->transfer;
    return fetch_set_common(transfer, NULL) &&
           curl_easy_setopt(transfer, CURLOPT_CONNECTTIMEOUT_MS,
                            (long)post->setup.connect_timeout_ms) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_TIMEOUT_MS, (long)post->setup.timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_TCP_KEEPALIVE, 1L) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_WRITEFUNCTION, drop_bytes) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_WRITEDATA, post) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_XFERINFOFUNCTION, gives_up) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_XFERINFODATA, post) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

struct http_post *http_post_create(const struct http_post_setup *setup)
{
    struct http_post *post = calloc(1, sizeof *post);
    if (post == NULL) {
        return NULL;
    }
    bool made = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    post->setup = *setup;
    post->transfer = made ? curl_easy_init() : NULL;
    if (post->transfer == NULL || !prepare(post)) {
        http_post_destroy(&post);
    }
    return post;
}

void http_post_destroy(struct http_post **post)
{
    if (*post != NULL) {
        curl_easy_cleanup((*post)->transfer);
        free(*post);
        *post = NULL;
    }
}

bool http_post_add_field(struct curl_slist **fields, const char *field)
{
    struct curl_slist *longer = curl_slist_append(*fields, field);
    *fields = longer == NULL ? *fields : longer;
    return longer != NULL;
}

void http_post_free_fields(struct curl_slist **fields)
{
    curl_slist_free_all(*fields);
    *fields = NULL;
}

static void read_answer(struct http_post *post, CURLcode result, struct http_post_answer *answer)
{
    curl_off_t after = 0;
    bool cut_short = result == CURLE_WRITE_ERROR && post->received > ANSWER_SIZE_MAX_BYTES;
    if (result != CURLE_OK && !cut_short) {
        snprintf(answer->reason, sizeof answer->reason, "%s", curl_easy_strerror(result));
        return;
    }
    curl_easy_getinfo(post->transfer, CURLINFO_RESPONSE_CODE, &answer->status);
    curl_easy_getinfo(post->transfer, CURLINFO_RETRY_AFTER, &after);
    answer->after_s = after;
    snprintf(answer->reason, sizeof answer->reason, "status %ld%s", answer->status,
             answer->status >= 300 && answer->status < 400 ? ": redirects are not followed" : "");
}

void http_post_send(struct http_post *post, const struct http_post_request *request,
                    struct http_post_answer *answer)
{
    CURL *transfer = post->transfer;
    *answer = (struct http_post_answer){.reason = "not enough memory"};
    post->received = 0;
    if (curl_easy_setopt(transfer, CURLOPT_URL, request->url) == CURLE_OK &&
        curl_easy_setopt(transfer, CURLOPT_HTTPHEADER, request->fields) == CURLE_OK &&
        curl_easy_setopt(transfer, CURLOPT_POSTFIELDS, request->body.data) == CURLE_OK &&
        curl_easy_setopt(transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size) ==
            CURLE_OK) {
        read_answer(post, curl_easy_perform(transfer), answer);
    }
    curl_easy_setopt(transfer, CURLOPT_HTTPHEADER, NULL);
}
