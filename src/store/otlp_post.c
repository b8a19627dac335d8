/* Hands documents to a collector of traces. */
#include "rsvpd/store/otlp_post.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/pair_list.h"
#include "rsvpd/base/text.h"

#include <stdio.h>
#include <stdlib.h>

enum { TIMEOUT_MS = 10 * 1000, FIELD_SIZE_BYTES = PAIR_VALUE_SIZE_MAX_BYTES + 256 };

struct otlp_post {
    struct http_post *post;
    char *url;
    struct curl_slist *fields;
};

static bool gives_up(const void *give_up_us)
{
    int64_t by_us = atomic_load((const _Atomic int64_t *)give_up_us);
    return by_us != 0 && clock_mono_us() >= by_us;
}

static bool add_fields(struct otlp_post *post, const char *headers)
{
    char value[PAIR_VALUE_SIZE_MAX_BYTES], field[FIELD_SIZE_BYTES];
    struct slice rest = slice_of(headers), key;
    size_t size;
    bool malformed;
    bool added = http_post_add_field(&post->fields, "Content-Type: application/json") &&
                 http_post_add_field(&post->fields, "Expect:");
    while (added && pair_list_next(&rest, &key, value, &size, &malformed)) {
        struct text line = text_over(field, sizeof field);
        text_add(&line, key);
        text_add_cstr(&line, ": ");
        text_add(&line, slice_make(value, size));
        text_add(&line, slice_make("", 1)); /* the zero that ends it */
        added = !line.truncated && http_post_add_field(&post->fields, field);
    }
    return added;
}

/* NULL where memory is exhausted. */
static char *url_of(const struct otlp_post_setup *setup)
{
    if (*setup->traces_endpoint != '\0') {
        return strdup(setup->traces_endpoint);
    }
    size_t size = strlen(setup->endpoint);
    while (size > 0 && setup->endpoint[size - 1] == '/') {
        size--;
    }
    char *url = NULL;
    return asprintf(&url, "%.*s/v1/traces", (int)size, setup->endpoint) < 0 ? NULL : url;
}

struct otlp_post *otlp_post_create(const struct otlp_post_setup *setup)
{
    struct otlp_post *post = calloc(1, sizeof *post);
    if (post == NULL) {
        return NULL;
    }
    post->url = url_of(setup);
    post->post = http_post_create(&(struct http_post_setup){
        .timeout_ms = TIMEOUT_MS, .gives_up = gives_up, .owner = (const void *)setup->give_up_us});
    if (post->post == NULL || post->url == NULL || !add_fields(post, setup->headers)) {
        otlp_post_destroy(&post);
    }
    return post;
}

void otlp_post_destroy(struct otlp_post **post)
{
    if (*post != NULL) {
        http_post_destroy(&(*post)->post);
        http_post_free_fields(&(*post)->fields);
        free((*post)->url);
        free(*post);
        *post = NULL;
    }
}

/* By the statuses that OTLP names: https://opentelemetry.io/docs/specs/otlp/#failures-1. */
static enum otlp_post_result judge(long status)
{
    bool is_later = status == 0 || status == 429 || status == 502 || status == 503 || status == 504;
    return status >= 200 && status < 300 ? OTLP_POST_TAKEN
           : is_later                    ? OTLP_POST_LATER
                                         : OTLP_POST_REFUSED;
}

enum otlp_post_result otlp_post_send(struct otlp_post *post, struct slice document,
                                     char reason[HTTP_POST_REASON_SIZE_BYTES], int64_t *after_s)
{
    struct http_post_answer answer;
    const struct http_post_request request = {post->url, post->fields, document};
    http_post_send(post->post, &request, &answer);
    snprintf(reason, HTTP_POST_REASON_SIZE_BYTES, "%s", answer.reason);
    *after_s = answer.after_s;
    return judge(answer.status);
}
