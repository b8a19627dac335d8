/* Where the keys of tokens come from. */
#include "rsvpd/store/jwks.h"
#include "rsvpd/base/clock.h"
#include "rsvpd/base/jwk.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/random.h"
#include "rsvpd/store/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    FETCH_TIMEOUT_MS = 5000,
    WANTED_EVERY_US = 10 * 1000 * 1000,
    RETRY_FIRST_MS = 1000,
    RETRY_DOUBLINGS_MAX = 6,         /* to about a minute */
    RETRY_DOUBLINGS_WITHOUT_KEYS = 3 /* while nobody is let in */
};

struct jwks {
    struct published *keys;
    unsigned algorithms; /* that tokens may have */
    char *url, *file;    /* NULL: none */
    char shown[FETCH_SHOWN_SIZE_BYTES];

    /* Of the loop's thread. */
    struct metrics *metrics;
    struct fetch *fetch; /* NULL: there is no URL */
    uv_timer_t next;
    uv_async_t wanted;
    int64_t refresh_s;
    unsigned failures;   /* since the last good set */
    bool next_is_wanted; /* `next` stands for tokens that were too early */
    struct random random;

    _Atomic int64_t wanted_us; /* monotonic: when a fetch last began because a token wanted it */
    _Atomic bool coming;       /* one is under way, or begins at once */

    /* Of whoever reads: the loop's thread for a URL, one of the pool's at a time for a file. */
    char *document; /* the JWK set that is in force; NULL: none yet */
    size_t size;
};

void jwks_destroy_set(void *set_)
{
    struct jwk_set *set = set_;
    jwk_set_destroy(&set);
}

/* ---- into force ---- */

/* The set becomes the readers'. Refuses NULL. */
static bool publish(struct jwks *jwks, struct jwk_set *set, char error[JWK_ERROR_SIZE_BYTES])
{
    if (set == NULL) {
        return false;
    }
    size_t count = jwk_set_count(set), left_out = jwk_set_left_out(set);
    bool of_use = (jwk_set_algorithms(set) & jwks->algorithms) != 0;
    if (!published_replace(jwks->keys, set)) {
        snprintf(error, JWK_ERROR_SIZE_BYTES, "out of memory");
        jwk_set_destroy(&set);
        return false;
    }
    log_event(LOG_INFO, "keys of tokens are in force", LOG_INT("keys", count),
              LOG_INT("left_out", left_out));
    if (!of_use) {
        log_event(LOG_WARN, "no key fits the algorithms of tokens: every token is refused");
    }
    return true;
}

static enum secret_change replace_document(struct jwks *jwks, struct slice document,
                                           char error[JWK_ERROR_SIZE_BYTES])
{
    if (jwks->document != NULL && slice_equal(document, slice_make(jwks->document, jwks->size))) {
        return SECRET_SAME; /* what workers remember of tokens stays good */
    }
    char *copy = malloc(document.size + 1);
    if (copy == NULL) {
        snprintf(error, JWK_ERROR_SIZE_BYTES, "out of memory");
        return SECRET_FAILED;
    }
    if (!publish(jwks, jwk_set_parse(document, error), error)) {
        free(copy);
        return SECRET_FAILED;
    }
    memcpy(copy, document.data, document.size);
    free(jwks->document);
    jwks->document = copy;
    jwks->size = document.size;
    return SECRET_CHANGED;
}

enum secret_change jwks_replace_secret(struct jwks *jwks, const char *secret)
{
    char error[JWK_ERROR_SIZE_BYTES];
    assert(jwks->url == NULL && jwks->file == NULL);
    if (publish(jwks, jwk_set_of_secret(slice_of(secret), error), error)) {
        return SECRET_CHANGED;
    }
    log_event(LOG_WARN, "cannot use the new secret of tokens: the last one stays",
              LOG_CSTR("variable", "AUTH_JWT_SECRET"), LOG_CSTR("reason", error));
    return SECRET_FAILED;
}

/* ---- the file ---- */

/* The bytes of the file, NULL where it cannot be read. */
static char *read_whole(const char *path, size_t *size, char error[JWK_ERROR_SIZE_BYTES])
{
    enum { CAPACITY = JWK_SET_SIZE_MAX_BYTES + 1 }; /* so that a larger one shows */
    char *bytes = malloc(CAPACITY);
    FILE *file = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (bytes != NULL && fd >= 0) {
        file = fdopen(fd, "r");
    }
    bool read = file != NULL;
    if (read) {
        *size = fread(bytes, 1, CAPACITY, file);
        read = ferror(file) == 0;
    }
    if (!read) {
        snprintf(error, JWK_ERROR_SIZE_BYTES, "%s", uv_strerror(uv_translate_sys_error(errno)));
        free(bytes);
        bytes = NULL;
    }
    if (file != NULL) {
        (void)fclose(file);
    } else if (fd >= 0) {
        close(fd);
    }
    return bytes;
}

bool jwks_source_valid(const char *url, const char *file, unsigned algorithms,
                       char error[JWKS_ERROR_SIZE_BYTES])
{
    char url_reason[FETCH_ERROR_SIZE_BYTES], reason[JWK_ERROR_SIZE_BYTES];
    size_t size = 0;
    if (*url != '\0' && !fetch_url_valid(url, url_reason)) {
        snprintf(error, JWKS_ERROR_SIZE_BYTES, "AUTH_JWKS_URL: %s", url_reason);
        return false;
    }
    if (*file == '\0') {
        return true;
    }
    char *bytes = read_whole(file, &size, reason);
    struct jwk_set *set = bytes == NULL ? NULL : jwk_set_parse(slice_make(bytes, size), reason);
    bool valid = set != NULL;
    if (valid && (jwk_set_algorithms(set) & algorithms) == 0) {
        snprintf(reason, sizeof reason,
                 "none of its keys is for an algorithm of "
                 "AUTH_JWT_ALGORITHMS, so no token could pass");
        valid = false;
    }
    if (!valid) {
        snprintf(error, JWKS_ERROR_SIZE_BYTES, "AUTH_JWKS_FILE: %s", reason);
    }
    jwk_set_destroy(&set);
    free(bytes);
    return valid;
}

static enum secret_change read_file(struct jwks *jwks, char error[JWK_ERROR_SIZE_BYTES])
{
    size_t size = 0;
    char *bytes = read_whole(jwks->file, &size, error);
    if (bytes == NULL) {
        return SECRET_FAILED;
    }
    enum secret_change change = replace_document(jwks, slice_make(bytes, size), error);
    free(bytes);
    return change;
}

enum secret_change jwks_read_file(struct jwks *jwks)
{
    char error[JWK_ERROR_SIZE_BYTES];
    if (jwks->file == NULL) {
        return SECRET_SAME;
    }
    enum secret_change change = read_file(jwks, error);
    if (change == SECRET_FAILED) {
        log_event(LOG_WARN, "cannot read the keys of tokens again: the last good ones stay",
                  LOG_CSTR("variable", "AUTH_JWKS_FILE"), LOG_CSTR("reason", error));
    }
    return change;
}

/* ---- the URL ---- */

static void on_fetched(void *jwks_, struct slice document, const char *reason);

static void begin(struct jwks *jwks, bool wanted)
{
    if (fetch_is_under_way(jwks->fetch)) {
        return;
    }
    uv_timer_stop(&jwks->next);
    jwks->next_is_wanted = false;
    if (wanted) {
        atomic_store(&jwks->wanted_us, clock_mono_us());
    }
    atomic_store(&jwks->coming, true);
    if (!fetch_begin(jwks->fetch, jwks->url)) {
        on_fetched(jwks, slice_make(NULL, 0), "out of memory");
    }
}

static void on_next(uv_timer_t *next)
{
    struct jwks *jwks = next->data;
    begin(jwks, jwks->next_is_wanted);
}

int64_t jwks_retry_max_ms(unsigned failures, bool keys_are_here, int64_t refresh_s)
{
    assert(failures > 0);
    unsigned most = keys_are_here ? RETRY_DOUBLINGS_MAX : RETRY_DOUBLINGS_WITHOUT_KEYS;
    int64_t retry_ms = (int64_t)RETRY_FIRST_MS << (failures <= most ? failures - 1 : most);
    int64_t refresh_ms = refresh_s * 1000;
    return retry_ms < refresh_ms ? retry_ms : refresh_ms;
}

/* From half of it to all of it. */
static uint64_t retry_after_ms(struct jwks *jwks)
{
    uint64_t most = (uint64_t)jwks_retry_max_ms(jwks->failures, published_in_force(jwks->keys),
                                                jwks->refresh_s);
    return most / 2 + random_next(&jwks->random) % (most / 2 + 1);
}

/* From nine tenths of it to all of it. */
static uint64_t refresh_after_ms(struct jwks *jwks)
{
    uint64_t most = (uint64_t)jwks->refresh_s * 1000;
    return most - random_next(&jwks->random) % (most / 10 + 1);
}

static void on_fetched(void *jwks_, struct slice document, const char *reason)
{
    struct jwks *jwks = jwks_;
    char error[JWK_ERROR_SIZE_BYTES];
    if (reason == NULL && replace_document(jwks, document, error) == SECRET_FAILED) {
        reason = error;
    }
    atomic_store(&jwks->coming, false); /* not before: whoever waits would look at the old keys */
    metrics_add(jwks->metrics, reason == NULL ? METRIC_KEYS_FETCHED : METRIC_KEYS_NOT_FETCHED, 1);
    if (reason == NULL) {
        jwks->failures = 0;
        uv_timer_start(&jwks->next, on_next, refresh_after_ms(jwks), 0);
        return;
    }
    jwks->failures++;
    uint64_t after_ms = retry_after_ms(jwks);
    log_event(LOG_WARN, "cannot fetch the keys of tokens: those that are here stay in use",
              LOG_CSTR("url", jwks->shown), LOG_CSTR("reason", reason),
              LOG_INT("retry_ms", after_ms));
    uv_timer_start(&jwks->next, on_next, after_ms, 0);
}

/* How long tokens must not make us fetch; not more than 0: they may. */
static int64_t too_early_us(const struct jwks *jwks)
{
    return atomic_load(&jwks->wanted_us) + WANTED_EVERY_US - clock_mono_us();
}

/* A token that comes too early gets the set fetched as soon as it may be. */
static void on_wanted(uv_async_t *wanted)
{
    struct jwks *jwks = wanted->data;
    int64_t wait_us = too_early_us(jwks);
    if (fetch_is_under_way(jwks->fetch)) {
        return;
    }
    if (wait_us <= 0) {
        begin(jwks, true);
        return;
    }
    atomic_store(&jwks->coming, false);
    uint64_t wait_ms = (uint64_t)wait_us / 1000 + 1;
    if (wait_ms < uv_timer_get_due_in(&jwks->next)) {
        jwks->next_is_wanted = true;
        uv_timer_start(&jwks->next, on_next, wait_ms, 0);
    }
}

bool jwks_is_coming(const struct jwks *jwks)
{
    return atomic_load(&jwks->coming);
}

bool jwks_want(struct jwks *jwks)
{
    if (jwks->url == NULL) {
        return false;
    }
    if (!jwks_is_coming(jwks)) {
        bool now = too_early_us(jwks) <= 0;
        if (now) {
            atomic_store(&jwks->coming, true);
        }
        uv_async_send(&jwks->wanted);
        return now;
    }
    return true;
}

/* ---- life ---- */

static char *copy_of(const char *text, bool *made)
{
    if (*text == '\0') {
        return NULL;
    }
    char *copy = strdup(text);
    *made = *made && copy != NULL;
    return copy;
}

static bool start_fetching(struct jwks *jwks, const struct jwks_setup *setup,
                           char error[JWKS_ERROR_SIZE_BYTES])
{
    char reason[FETCH_ERROR_SIZE_BYTES];
    if (!fetch_url_valid(jwks->url, reason)) {
        snprintf(error, JWKS_ERROR_SIZE_BYTES, "AUTH_JWKS_URL: %s", reason);
        return false;
    }
    fetch_url_show(jwks->url, jwks->shown);
    jwks->fetch = fetch_create(&(struct fetch_setup){.loop = setup->loop,
                                                     .ca_file = setup->ca_file,
                                                     .size_max = JWK_SET_SIZE_MAX_BYTES,
                                                     .timeout_ms = FETCH_TIMEOUT_MS,
                                                     .done = on_fetched,
                                                     .owner = jwks});
    if (jwks->fetch == NULL || uv_async_init(setup->loop, &jwks->wanted, on_wanted) != 0) {
        fetch_destroy(&jwks->fetch);
        snprintf(error, JWKS_ERROR_SIZE_BYTES, "AUTH_JWKS_URL: not enough resources to fetch it");
        return false;
    }
    uv_timer_init(setup->loop, &jwks->next);
    jwks->next.data = jwks->wanted.data = jwks;
    begin(jwks, false);
    return true;
}

/* What can be put in force at once. */
static bool start(struct jwks *jwks, const struct jwks_setup *setup,
                  char error[JWKS_ERROR_SIZE_BYTES])
{
    char reason[JWK_ERROR_SIZE_BYTES];
    if (jwks->url != NULL) {
        return start_fetching(jwks, setup, error);
    }
    if (jwks->file != NULL) {
        bool read = read_file(jwks, reason) != SECRET_FAILED;
        if (!read) {
            snprintf(error, JWKS_ERROR_SIZE_BYTES, "AUTH_JWKS_FILE: %s", reason);
        }
        return read;
    }
    bool good = publish(jwks, jwk_set_of_secret(slice_of(setup->secret), reason), reason);
    if (!good) {
        snprintf(error, JWKS_ERROR_SIZE_BYTES, "AUTH_JWT_SECRET: %s", reason);
    }
    return good;
}

struct jwks *jwks_create(const struct jwks_setup *setup, char error[JWKS_ERROR_SIZE_BYTES])
{
    bool made = true;
    struct jwks *jwks = calloc(1, sizeof *jwks);
    if (jwks == NULL) {
        snprintf(error, JWKS_ERROR_SIZE_BYTES, "not enough memory for the keys of tokens");
        return NULL;
    }
    jwks->keys = setup->keys;
    jwks->algorithms = setup->algorithms;
    jwks->metrics = setup->metrics;
    jwks->refresh_s = setup->refresh_s;
    jwks->random.state = setup->random_seed;
    atomic_init(&jwks->wanted_us, clock_mono_us() - WANTED_EVERY_US);
    jwks->url = copy_of(setup->url, &made);
    jwks->file = copy_of(setup->file, &made);
    if (!made) {
        snprintf(error, JWKS_ERROR_SIZE_BYTES, "not enough memory for the keys of tokens");
    }
    if (!made || !start(jwks, setup, error)) {
        jwks_free(&jwks);
    }
    return jwks;
}

void jwks_end(struct jwks *jwks)
{
    if (jwks->fetch != NULL) {
        fetch_destroy(&jwks->fetch);
        uv_close((uv_handle_t *)&jwks->next, NULL);
        uv_close((uv_handle_t *)&jwks->wanted, NULL);
    }
}

void jwks_free(struct jwks **jwks)
{
    if (*jwks != NULL) {
        assert((*jwks)->fetch == NULL);
        free((*jwks)->url);
        free((*jwks)->file);
        free((*jwks)->document);
        free(*jwks);
        *jwks = NULL;
    }
}
