/* Hands documents to a collector of traces. */
#include "rsvpd/store/otlp_post.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/pair_list.h"
#include "rsvpd/base/text.h"
#include "rsvpd/store/fetch.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ANSWER_SIZE_MAX_BYTES = 64 * 1024,
    TIMEOUT_MS = 10 * 1000,
    FIELD_SIZE_BYTES = PAIR_VALUE_SIZE_MAX_BYTES + 256
};

struct otlp_post {
    CURL *transfer; /* keeps its connection */
    struct curl_slist *fields;
    const _Atomic int64_t *give_up_us;
    size_t received; /* of the answer's body */
};

/* The answer may tell of spans that were left out; all that matters here is its status. So one
 * without an end is cut short. */
static size_t drop_bytes(const char *bytes, size_t one, size_t size, void *post_)
{
    struct otlp_post *post = post_;
    (void)bytes;
    (void)one; /* it is 1 */
    post->received += size;
    return post->received <= ANSWER_SIZE_MAX_BYTES ? size : 0;
}

/* libcurl asks every now and then: at least once in a second. */
static int gives_up(void *post_, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct otlp_post *post = post_;
    int64_t by_us = atomic_load(post->give_up_us);
    (void)a, (void)b, (void)c, (void)d;
    return by_us != 0 && clock_mono_us() >= by_us;
}

static bool add_field(struct otlp_post *post, const char *field)
{
    struct curl_slist *longer = curl_slist_append(post->fields, field);
    post->fields = longer == NULL ? post->fields : longer;
    return longer != NULL;
}

static bool add_fields(struct otlp_post *post, const char *headers)
{
    char value[PAIR_VALUE_SIZE_MAX_BYTES], field[FIELD_SIZE_BYTES];
    struct slice rest = slice_of(headers), key;
    size_t size;
    bool malformed;
    bool added = add_field(post, "Content-Type: application/json") && add_field(post, "Expect:");
    while (added && pair_list_next(&rest, &key, value, &size, &malformed)) {
        struct text line = text_over(field, sizeof field);
        text_add(&line, key);
        text_add_cstr(&line, ": ");
        text_add(&line, slice_make(value, size));
        text_add(&line, slice_make("", 1)); /* the zero that ends it */
        added = !line.truncated && add_field(post, field);
    }
    return added;
}

static bool set_url(const struct otlp_post *post, const struct otlp_post_setup *setup)
{
    if (*setup->traces_endpoint != '\0') {
        return curl_easy_setopt(post->transfer, CURLOPT_URL, setup->traces_endpoint) == CURLE_OK;
    }
    size_t size = strlen(setup->endpoint);
    while (size > 0 && setup->endpoint[size - 1] == '/') {
        size--;
    }
    char *url = NULL;
    if (asprintf(&url, "%.*s/v1/traces", (int)size, setup->endpoint) < 0) {
        return false;
    }
    bool set = curl_easy_setopt(post->transfer, CURLOPT_URL, url) == CURLE_OK;
    free(url);
    return set;
}

static bool prepare(struct otlp_post *post)
{
    CURL *transfer = post->transfer;
    return fetch_set_common(transfer, post->fields) &&
           curl_easy_setopt(transfer, CURLOPT_TIMEOUT_MS, (long)TIMEOUT_MS) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_WRITEFUNCTION, drop_bytes) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_WRITEDATA, post) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_XFERINFOFUNCTION, gives_up) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_XFERINFODATA, post) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_NOPROGRESS, 0L) == CURLE_OK;
}

struct otlp_post *otlp_post_create(const struct otlp_post_setup *setup)
{
    struct otlp_post *post = calloc(1, sizeof *post);
    if (post == NULL) {
        return NULL;
    }
    bool made = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    post->give_up_us = setup->give_up_us;
    post->transfer = made ? curl_easy_init() : NULL;
    if (post->transfer == NULL || !add_fields(post, setup->headers) || !set_url(post, setup) ||
        !prepare(post)) {
        otlp_post_destroy(&post);
    }
    return post;
}

void otlp_post_destroy(struct otlp_post **post)
{
    if (*post != NULL) {
        curl_easy_cleanup((*post)->transfer);
        curl_slist_free_all((*post)->fields);
        free(*post);
        *post = NULL;
    }
}

/* By the statuses that OTLP names: https://opentelemetry.io/docs/specs/otlp/#failures-1. */
static enum otlp_post_result judge(long status)
{
    return status >= 200 && status < 300                                      ? OTLP_POST_TAKEN
           : status == 429 || status == 502 || status == 503 || status == 504 ? OTLP_POST_LATER
                                                                              : OTLP_POST_REFUSED;
}

enum otlp_post_result otlp_post_send(struct otlp_post *post, struct slice document,
                                     char reason[OTLP_POST_REASON_SIZE_BYTES], int64_t *after_s)
{
    long status = 0;
    curl_off_t after = 0;
    *after_s = 0;
    post->received = 0;
    if (curl_easy_setopt(post->transfer, CURLOPT_POSTFIELDS, document.data) != CURLE_OK ||
        curl_easy_setopt(post->transfer, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)document.size) !=
            CURLE_OK) {
        snprintf(reason, OTLP_POST_REASON_SIZE_BYTES, "not enough memory");
        return OTLP_POST_REFUSED;
    }
    CURLcode result = curl_easy_perform(post->transfer);
    bool cut_short = result == CURLE_WRITE_ERROR && post->received > ANSWER_SIZE_MAX_BYTES;
    if (result != CURLE_OK && !cut_short) {
        snprintf(reason, OTLP_POST_REASON_SIZE_BYTES, "%s", curl_easy_strerror(result));
        return OTLP_POST_LATER;
    }
    curl_easy_getinfo(post->transfer, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(post->transfer, CURLINFO_RETRY_AFTER, &after);
    snprintf(reason, OTLP_POST_REASON_SIZE_BYTES, "status %ld", status);
    *after_s = after;
    return judge(status);
}
