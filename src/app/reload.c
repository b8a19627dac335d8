/* What SIGHUP asks for. */
#include "rsvpd/app/reload.h"
#include "rsvpd/base/config_print.h"
#include "rsvpd/base/log.h"
#include "rsvpd/base/text.h"

#include <assert.h>

enum { NAMES_SIZE_BYTES = 192, FIXED_SIZE_BYTES = 1024 };

void reload_init(struct reload *reload, const struct config *config, config_lookup_fn *lookup,
                 void (*ended)(void *owner), void *owner)
{
    *reload = (struct reload){.config = config,
                              .lookup = lookup,
                              .ended = ended,
                              .owner = owner,
                              .log_level = (enum log_level)config->log_level};
}

void reload_add(struct reload *reload, const char *variable, reload_read_fn *read, void *source)
{
    assert(!reload->busy && reload->part_count < RELOAD_PARTS_MAX);
    reload->parts[reload->part_count++] =
        (struct reload_part){.variable = variable, .read = read, .source = source};
}

static enum secret_change read_secret(void *secret)
{
    return secret_reload(secret);
}

void reload_add_secret(struct reload *reload, const char *variable, struct secret *secret)
{
    reload_add(reload, variable, read_secret, secret);
}

static void read_on_thread(uv_work_t *work)
{
    struct reload *reload = work->data;
    assert(reload->busy); /* so nobody else looks at what changes here */
    for (size_t i = 0; i < reload->part_count; i++) {
        reload->parts[i].change = reload->parts[i].read(reload->parts[i].source);
    }
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

/* Names what has changed like this. */
static void list(const struct reload *reload, enum secret_change change, struct text *names)
{
    for (size_t i = 0; i < reload->part_count; i++) {
        if (reload->parts[i].change == change) {
            add_name(names, reload->parts[i].variable);
        }
    }
    if (reload->level_change == change) {
        add_name(names, "LOG_LEVEL");
    }
}

static void tell(const struct reload *reload)
{
    char changed_bytes[NAMES_SIZE_BYTES], failed_bytes[NAMES_SIZE_BYTES];
    char fixed_bytes[FIXED_SIZE_BYTES];
    struct text changed = text_over(changed_bytes, sizeof changed_bytes);
    struct text failed = text_over(failed_bytes, sizeof failed_bytes);
    struct text fixed = text_over(fixed_bytes, sizeof fixed_bytes);
    list(reload, SECRET_CHANGED, &changed);
    list(reload, SECRET_FAILED, &failed);
    config_list_fixed(reload->lookup, &fixed);
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
