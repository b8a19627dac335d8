/* What SIGHUP asks for. */
#include "rsvpd/app/reload.h"
#include "rsvpd/base/config_print.h"
#include "rsvpd/base/jwk.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/text.h"
#include "rsvpd/store/pg_connect.h"
#include "rsvpd/store/redis_url.h"

#include <assert.h>
#include <stdlib.h>

enum { NAMES_SIZE_BYTES = 192, FIXED_SIZE_BYTES = 1024 };

static bool redis_url_valid(const char *value)
{
    struct redis_url ignored;
    const char *problem;
    return redis_url_parse(value, &ignored, &problem);
}

static bool jwt_secret_valid(const char *value)
{
    return strlen(value) >= JWK_SECRET_SIZE_MIN_BYTES;
}

/* As RATE_LIMIT_USER and the others have them. */
static const char *const limit_names[RATE_KIND_COUNT] = {[RATE_USER] = "RATE_LIMIT_USER",
                                                         [RATE_KEY] = "RATE_LIMIT_KEY",
                                                         [RATE_ADDRESS] = "RATE_LIMIT_ADDRESS"};

static bool init_limits(struct reload *reload, const struct config *config)
{
    const char *const values[RATE_KIND_COUNT] = {[RATE_USER] = config->rate_limit_user,
                                                 [RATE_KEY] = config->rate_limit_key,
                                                 [RATE_ADDRESS] = config->rate_limit_address};
    const char *const files[RATE_KIND_COUNT] = {[RATE_USER] = config->rate_limit_user_file,
                                                [RATE_KEY] = config->rate_limit_key_file,
                                                [RATE_ADDRESS] = config->rate_limit_address_file};
    bool made = true;
    for (size_t i = 0; i < RATE_KIND_COUNT; i++) {
        reload->limits[i] = secret_create(limit_names[i], files[i], values[i], rates_value_valid);
        made = made && reload->limits[i] != NULL;
    }
    return made;
}

bool reload_init(struct reload *reload, const struct config *config)
{
    assert(config->database_url != NULL && config->redis_url != NULL);
    *reload = (struct reload){
        .config = config,
        .database_url = secret_create("DATABASE_URL", config->database_url_file,
                                      config->database_url, pg_url_parses),
        .database_read_url = secret_create("DATABASE_READ_URL", config->database_read_url_file,
                                           config->database_read_url, pg_url_parses),
        .redis_url =
            secret_create("REDIS_URL", config->redis_url_file, config->redis_url, redis_url_valid),
        .jwt_secret = secret_create("AUTH_JWT_SECRET", config->auth_jwt_secret_file,
                                    config->auth_jwt_secret, jwt_secret_valid),
        .log_level = (enum log_level)config->log_level,
    };
    bool made = init_limits(reload, config);
    if (!made || reload->database_url == NULL || reload->database_read_url == NULL ||
        reload->redis_url == NULL || reload->jwt_secret == NULL) {
        reload_free(reload);
        return false;
    }
    return true;
}

void reload_free(struct reload *reload)
{
    assert(!reload->busy);
    secret_destroy(&reload->database_url);
    secret_destroy(&reload->database_read_url);
    secret_destroy(&reload->redis_url);
    secret_destroy(&reload->jwt_secret);
    for (size_t i = 0; i < RATE_KIND_COUNT; i++) {
        secret_destroy(&reload->limits[i]);
    }
}

/* The keys of tokens: a secret, a file, or both. */
static void read_token_keys(struct reload *reload)
{
    reload->jwt_secret_change = reload->jwks_change = SECRET_SAME;
    if (reload->token_keys == NULL) {
        return;
    }
    reload->jwt_secret_change = secret_reload(reload->jwt_secret);
    if (reload->jwt_secret_change == SECRET_CHANGED) {
        char *value = secret_now(reload->jwt_secret);
        reload->jwt_secret_change =
            value == NULL ? SECRET_FAILED : jwks_replace_secret(reload->token_keys, value);
        free(value);
    }
    reload->jwks_change = jwks_read_file(reload->token_keys);
}

static void read_limits(struct reload *reload)
{
    for (size_t i = 0; i < RATE_KIND_COUNT; i++) {
        reload->limit_changes[i] = secret_reload(reload->limits[i]);
        if (reload->limit_changes[i] == SECRET_CHANGED) {
            char *value = secret_now(reload->limits[i]);
            if (value != NULL) {
                rates_replace(reload->rates, (enum rate_kind)i, value);
            } else {
                reload->limit_changes[i] = SECRET_FAILED;
            }
            free(value);
        }
    }
}

static void read_on_thread(uv_work_t *work)
{
    struct reload *reload = work->data;
    assert(reload->busy); /* so nobody else looks at what changes here */
    reload->database_change = secret_reload(reload->database_url);
    reload->database_read_change = secret_reload(reload->database_read_url);
    reload->redis_change = secret_reload(reload->redis_url);
    read_token_keys(reload);
    read_limits(reload);
    bool read = config_read_log_level_again(reload->config, &reload->level, &reload->level_error);
    reload->level_change = !read                                ? SECRET_FAILED
                           : reload->level != reload->log_level ? SECRET_CHANGED
                                                                : SECRET_SAME;
}

static void add_name(struct text *names, const char *name)
{
    text_add_cstr(names, names->size == 0 ? "" : " ");
    text_add_cstr(names, name);
}

static void tell(const struct reload *reload)
{
    const struct {
        const char *name;
        enum secret_change change;
    } parts[] = {
        {"DATABASE_URL", reload->database_change},
        {"DATABASE_READ_URL", reload->database_read_change},
        {"REDIS_URL", reload->redis_change},
        {"AUTH_JWT_SECRET", reload->jwt_secret_change},
        {"AUTH_JWKS_FILE", reload->jwks_change},
        {limit_names[RATE_USER], reload->limit_changes[RATE_USER]},
        {limit_names[RATE_KEY], reload->limit_changes[RATE_KEY]},
        {limit_names[RATE_ADDRESS], reload->limit_changes[RATE_ADDRESS]},
        {"LOG_LEVEL", reload->level_change},
    };
    char changed_bytes[NAMES_SIZE_BYTES], failed_bytes[NAMES_SIZE_BYTES];
    char fixed_bytes[FIXED_SIZE_BYTES];
    struct text changed = text_over(changed_bytes, sizeof changed_bytes);
    struct text failed = text_over(failed_bytes, sizeof failed_bytes);
    struct text fixed = text_over(fixed_bytes, sizeof fixed_bytes);
    config_list_fixed(reload->lookup, &fixed);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].change == SECRET_CHANGED) {
            add_name(&changed, parts[i].name);
        } else if (parts[i].change == SECRET_FAILED) {
            add_name(&failed, parts[i].name);
        }
    }
    log_event(failed.size > 0 ? LOG_WARN : LOG_INFO, "reloaded",
              LOG_STR("changed", text_slice(&changed)), LOG_STR("failed", text_slice(&failed)),
              LOG_STR("fixed", text_slice(&fixed)));
}

static void was_read(uv_work_t *work, int status)
{
    struct reload *reload = work->data;
    assert(status == 0 && reload->busy); /* nobody cancels it */
    reload->busy = false;
    if (reload->level_change == SECRET_CHANGED) {
        reload->log_level = reload->level;
        log_set_level(reload->level);
    } else if (reload->level_change == SECRET_FAILED) {
        log_event(LOG_WARN, "cannot reload the log level: it stays",
                  LOG_CSTR("reason", reload->level_error.line));
    }
    tell(reload);
    if (reload->again) {
        reload->again = false;
        reload_begin(reload, work->loop);
    } else {
        reload->ended(reload->owner);
    }
}

void reload_begin(struct reload *reload, uv_loop_t *loop)
{
    if (reload->busy) {
        reload->again = true;
        return;
    }
    reload->busy = true;
    reload->work.data = reload;
    int failed = uv_queue_work(loop, &reload->work, read_on_thread, was_read);
    assert(failed == 0); /* fails for a NULL argument alone */
}
