/* A value of the configuration that may be replaced while the process runs. */
#include "rsvpd/base/secret.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct secret {
    const char *name;
    char *path; /* NULL: it came from no file */
    bool (*valid)(const char *value);
    pthread_mutex_t lock; /* of what follows */
    char *value;
    char failure[sizeof((struct config_error *)0)->line]; /* that was logged last; empty: none */
};

struct secret *secret_create(const char *name, const char *path, const char *value,
                             bool (*valid)(const char *value))
{
    assert(name != NULL && value != NULL);
    assert(path == NULL || valid != NULL); /* what a file holds may be anything */
    struct secret *secret = calloc(1, sizeof *secret);
    if (secret == NULL) {
        return NULL;
    }
    secret->name = name;
    secret->valid = valid;
    secret->path = path == NULL ? NULL : strdup(path);
    secret->value = strdup(value);
    if ((path != NULL && secret->path == NULL) || secret->value == NULL) {
        free(secret->path);
        free(secret->value);
        free(secret);
        return NULL;
    }
    pthread_mutex_init(&secret->lock, NULL);
    return secret;
}

void secret_destroy(struct secret **secret)
{
    if (*secret != NULL) {
        pthread_mutex_destroy(&(*secret)->lock);
        free((*secret)->path);
        free((*secret)->value);
        free(*secret);
        *secret = NULL;
    }
}

bool secret_is_in_file(const struct secret *secret)
{
    return secret->path != NULL;
}

/* With the lock held. */
static void report(struct secret *secret, const char *failure)
{
    if (*failure != '\0' && strcmp(failure, secret->failure) != 0) {
        log_event(LOG_WARN, "cannot reload a variable: the last good value stays",
                  LOG_CSTR("variable", secret->name), LOG_CSTR("reason", failure));
    }
    snprintf(secret->failure, sizeof secret->failure, "%s", failure);
}

/* With the lock held. */
static enum secret_change replace(struct secret *secret, const char *value)
{
    if (strcmp(value, secret->value) == 0) {
        return SECRET_SAME;
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        report(secret, "out of memory");
        return SECRET_FAILED;
    }
    free(secret->value);
    secret->value = copy;
    return SECRET_CHANGED;
}

enum secret_change secret_reload(struct secret *secret)
{
    char value[CONFIG_FILE_VALUE_SIZE_BYTES];
    struct config_error error = {.line = ""};
    enum secret_change change = SECRET_FAILED;
    if (secret->path == NULL) {
        return SECRET_SAME;
    }
    bool read = config_file_read_again(secret->name, secret->path, value, &error);
    if (read && !secret->valid(value)) {
        read = false;
        snprintf(error.line, sizeof error.line,
                 "%s_FILE: the file that it names holds no valid value", secret->name);
    }
    pthread_mutex_lock(&secret->lock);
    report(secret, error.line);
    if (read) {
        change = replace(secret, value);
    }
    pthread_mutex_unlock(&secret->lock);
    return change;
}

char *secret_now(struct secret *secret)
{
    (void)secret_reload(secret);
    pthread_mutex_lock(&secret->lock);
    char *copy = strdup(secret->value);
    pthread_mutex_unlock(&secret->lock);
    return copy;
}
