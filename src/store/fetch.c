/* One document over HTTP, by libcurl in a loop of libuv. */
#include "rsvpd/store/fetch.h"
#include "rsvpd/base/text.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum { STATUS_OK = 200, IN_LOOPBACK_FIRST = 127 };

struct fetch {
    struct fetch_setup setup;
    CURLM *multi;
    CURL *transfer; /* NULL: none is under way */
    struct curl_slist *fields;
    uv_timer_t timer;
    char *document; /* as much of it as came */
    size_t size;
    bool too_large;
};

/* A socket of libcurl's in the loop. */
struct watch {
    uv_poll_t poll;
    curl_socket_t socket;
    struct fetch *fetch;
};

/* ---- URLs ---- */

/* The part, which the caller frees by curl_free; NULL where there is none. */
static char *part_of(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, 0) == CURLUE_OK ? text : NULL;
}

static bool is_loopback(const char *host)
{
    struct in_addr four;
    return strcasecmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 ||
           (inet_pton(AF_INET, host, &four) == 1 && ntohl(four.s_addr) >> 24 == IN_LOOPBACK_FIRST);
}

/* By the same parser that the transfer goes by, so that the two cannot take it differently. */
static CURLU *parse_url(const char *text)
{
    CURLU *url = curl_url();
    if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK) {
        curl_url_cleanup(url);
        url = NULL;
    }
    return url;
}

bool fetch_url_valid(const char *url, char error[FETCH_ERROR_SIZE_BYTES])
{
    CURLU *parsed = parse_url(url);
    char *scheme = parsed == NULL ? NULL : part_of(parsed, CURLUPART_SCHEME);
    char *host = parsed == NULL ? NULL : part_of(parsed, CURLUPART_HOST);
    const char *reason = NULL;
    if (scheme == NULL || host == NULL) {
        reason = "it is no URL, such as https://id.example.org/keys";
    } else if (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0) {
        reason = "its scheme must be https";
    } else if (strcmp(scheme, "http") == 0 && !is_loopback(host)) {
        reason = "http is for loopback alone: use https";
    }
    if (reason != NULL) {
        snprintf(error, FETCH_ERROR_SIZE_BYTES, "%s", reason);
    }
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parsed);
    return reason == NULL;
}

void fetch_url_show(const char *url, char shown[FETCH_SHOWN_SIZE_BYTES])
{
    static const CURLUPart hidden[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS,
                                       CURLUPART_QUERY, CURLUPART_FRAGMENT};
    CURLU *parsed = parse_url(url);
    for (size_t i = 0; parsed != NULL && i < sizeof hidden / sizeof hidden[0]; i++) {
        (void)curl_url_set(parsed, hidden[i], NULL, 0);
    }
    char *rest = parsed == NULL ? NULL : part_of(parsed, CURLUPART_URL);
    snprintf(shown, FETCH_SHOWN_SIZE_BYTES, "%s", rest == NULL ? "" : rest);
    curl_free(rest);
    curl_url_cleanup(parsed);
}

/* ---- the end of a transfer ---- */

/* Forgets the transfer, whether it ended or not. */
static void drop_transfer(struct fetch *fetch)
{
    CURL *transfer = fetch->transfer;
    fetch->transfer = NULL;
    if (transfer != NULL) {
        curl_multi_remove_handle(fetch->multi, transfer);
        curl_easy_cleanup(transfer);
    }
}

/* Writes why there is no document; nothing where there is one. */
static void judge(struct fetch *fetch, CURLcode result, char reason[FETCH_ERROR_SIZE_BYTES])
{
    long status = 0;
    curl_easy_getinfo(fetch->transfer, CURLINFO_RESPONSE_CODE, &status);
    reason[0] = '\0';
    if (fetch->too_large || result == CURLE_FILESIZE_EXCEEDED) {
        snprintf(reason, FETCH_ERROR_SIZE_BYTES, "the answer has more than %zu bytes",
                 fetch->setup.size_max);
    } else if (result == CURLE_OPERATION_TIMEDOUT) {
        snprintf(reason, FETCH_ERROR_SIZE_BYTES, "no whole answer came within %lld ms",
                 (long long)fetch->setup.timeout_ms);
    } else if (result != CURLE_OK) {
        snprintf(reason, FETCH_ERROR_SIZE_BYTES, "%s", curl_easy_strerror(result));
    } else if (status >= 300 && status < 400) {
        snprintf(reason, FETCH_ERROR_SIZE_BYTES, "status %ld: redirects are not followed", status);
    } else if (status != STATUS_OK) {
        snprintf(reason, FETCH_ERROR_SIZE_BYTES, "status %ld", status);
    }
}

static void take_result(struct fetch *fetch)
{
    int left;
    char reason[FETCH_ERROR_SIZE_BYTES];
    const CURLMsg *message = curl_multi_info_read(fetch->multi, &left);
    if (message == NULL || message->msg != CURLMSG_DONE) {
        return;
    }
    bool whole = message->data.result == CURLE_OK;
    judge(fetch, message->data.result, reason);
    drop_transfer(fetch);
    fetch->setup.done(fetch->setup.owner,
                      slice_make(whole ? fetch->document : NULL, whole ? fetch->size : 0),
                      reason[0] == '\0' ? NULL : reason);
}

/* ---- libcurl in the loop ---- */

static void on_ready(uv_poll_t *poll, int status, int events)
{
    const struct watch *watch = poll->data;
    struct fetch *fetch = watch->fetch;
    int ready = status < 0 ? CURL_CSELECT_ERR
                           : (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
                                 (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    int running;
    curl_multi_socket_action(fetch->multi, watch->socket, ready, &running);
    take_result(fetch);
}

static void on_timer(uv_timer_t *timer)
{
    struct fetch *fetch = timer->data;
    int running;
    curl_multi_socket_action(fetch->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    take_result(fetch);
}

static void free_watch(uv_handle_t *poll)
{
    free(poll->data);
}

static void end_watch(struct watch *watch)
{
    curl_multi_assign(watch->fetch->multi, watch->socket, NULL);
    uv_poll_stop(&watch->poll);
    uv_close((uv_handle_t *)&watch->poll, free_watch);
}

static struct watch *begin_watch(struct fetch *fetch, curl_socket_t socket)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (watch == NULL || uv_poll_init_socket(fetch->setup.loop, &watch->poll, socket) != 0) {
        free(watch);
        return NULL;
    }
    watch->poll.data = watch;
    watch->socket = socket;
    watch->fetch = fetch;
    curl_multi_assign(fetch->multi, socket, watch);
    return watch;
}

/* libcurl says what it waits for. Without memory for it, the time-out ends the transfer. */
static int watch_socket(CURL *transfer, curl_socket_t socket, int what, void *fetch,
                        void *of_socket)
{
    struct watch *watch = of_socket;
    (void)transfer;
    if (what == CURL_POLL_REMOVE) {
        if (watch != NULL) {
            end_watch(watch);
        }
        return 0;
    }
    if (watch == NULL) {
        watch = begin_watch(fetch, socket);
    }
    int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    if (watch != NULL) {
        uv_poll_start(&watch->poll, events, on_ready);
    }
    return 0;
}

static int set_timer(CURLM *multi, long timeout_ms, void *fetch_)
{
    struct fetch *fetch = fetch_;
    (void)multi;
    if (timeout_ms < 0) {
        uv_timer_stop(&fetch->timer);
    } else {
        uv_timer_start(&fetch->timer, on_timer, (uint64_t)timeout_ms, 0);
    }
    return 0;
}

struct fetch *fetch_create(const struct fetch_setup *setup)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    bool made = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    if (fetch != NULL && made) {
        fetch->setup = *setup;
        fetch->document = malloc(setup->size_max);
        fetch->multi = curl_multi_init();
        fetch->fields =
            curl_slist_append(NULL, "Accept: application/jwk-set+json, application/json");
    }
    if (fetch == NULL || fetch->document == NULL || fetch->multi == NULL || fetch->fields == NULL) {
        if (fetch != NULL) {
            curl_slist_free_all(fetch->fields);
            curl_multi_cleanup(fetch->multi);
            free(fetch->document);
            free(fetch);
        }
        return NULL;
    }
    uv_timer_init(setup->loop, &fetch->timer);
    fetch->timer.data = fetch;
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(fetch->multi, CURLMOPT_SOCKETDATA, fetch);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(fetch->multi, CURLMOPT_TIMERDATA, fetch);
    return fetch;
}

static void free_fetch(uv_handle_t *timer)
{
    struct fetch *fetch = timer->data;
    curl_slist_free_all(fetch->fields);
    free(fetch->document);
    free(fetch);
}

void fetch_destroy(struct fetch **fetch)
{
    if (*fetch != NULL) {
        drop_transfer(*fetch);
        curl_multi_cleanup((*fetch)->multi);
        uv_close((uv_handle_t *)&(*fetch)->timer, free_fetch);
        *fetch = NULL;
    }
}

/* ---- a transfer ---- */

static size_t take_bytes(char *bytes, size_t one, size_t size, void *fetch_)
{
    struct fetch *fetch = fetch_;
    (void)one; /* it is 1 */
    if (size > fetch->setup.size_max - fetch->size) {
        fetch->too_large = true;
        return 0;
    }
    memcpy(fetch->document + fetch->size, bytes, size);
    fetch->size += size;
    return size;
}

/* CURLOPT_QUICK_EXIT: a name server that does not answer is not waited for. */
bool fetch_set_common(void *transfer, void *fields)
{
    return curl_easy_setopt(transfer, CURLOPT_PROTOCOLS_STR, "https,http") == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_HTTPHEADER, (struct curl_slist *)fields) ==
               CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_USERAGENT, "rsvpd/" RSVPD_VERSION) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
               CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
}

static bool prepare(struct fetch *fetch, const char *url)
{
    CURL *transfer = fetch->transfer;
    const char *ca_file = fetch->setup.ca_file;
    bool own_ca = ca_file != NULL && *ca_file != '\0';
    return curl_easy_setopt(transfer, CURLOPT_URL, url) == CURLE_OK &&
           fetch_set_common(transfer, fetch->fields) &&
           (!own_ca || (curl_easy_setopt(transfer, CURLOPT_CAINFO, ca_file) == CURLE_OK &&
                        curl_easy_setopt(transfer, CURLOPT_CAPATH, NULL) == CURLE_OK)) &&
           curl_easy_setopt(transfer, CURLOPT_TIMEOUT_MS, (long)fetch->setup.timeout_ms) ==
               CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_MAXFILESIZE, (long)fetch->setup.size_max) ==
               CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_WRITEFUNCTION, take_bytes) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_WRITEDATA, fetch) == CURLE_OK &&
           curl_easy_setopt(transfer, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK;
}

bool fetch_begin(struct fetch *fetch, const char *url)
{
    assert(fetch->transfer == NULL);
    fetch->size = 0;
    fetch->too_large = false;
    fetch->transfer = curl_easy_init();
    if (fetch->transfer == NULL) {
        return false;
    }
    if (!prepare(fetch, url) || curl_multi_add_handle(fetch->multi, fetch->transfer) != CURLM_OK) {
        curl_easy_cleanup(fetch->transfer);
        fetch->transfer = NULL;
        return false;
    }
    return true;
}

bool fetch_is_under_way(const struct fetch *fetch)
{
    return fetch->transfer != NULL;
}
