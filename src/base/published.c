/* A value that threads read all the time and one thread replaces now and then. */
#include "rsvpd/base/published.h"

#include <pthread.h>
#include <stdlib.h>

struct published_value {
    void *value;
    _Atomic uint64_t references;
};

struct published {
    void (*destroy)(void *value);
    _Atomic uint64_t version; /* of `newest`; changed with the lock held, like `in_force` */
    _Atomic bool in_force;    /* `newest` has a value */
    pthread_mutex_t lock;     /* of `newest` */
    struct published_value *newest;
};

struct published *published_create(void (*destroy)(void *value))
{
    assert(destroy != NULL);
    struct published *published = calloc(1, sizeof *published);
    if (published != NULL) {
        published->destroy = destroy;
        pthread_mutex_init(&published->lock, NULL);
    }
    return published;
}

static void let_go(struct published *published, struct published_value *held)
{
    if (held != NULL && atomic_fetch_sub(&held->references, 1) == 1) {
        if (held->value != NULL) {
            published->destroy(held->value);
        }
        free(held);
    }
}

void published_destroy(struct published **published)
{
    if (*published != NULL) {
        let_go(*published, (*published)->newest);
        pthread_mutex_destroy(&(*published)->lock);
        free(*published);
        *published = NULL;
    }
}

bool published_replace(struct published *published, void *value)
{
    struct published_value *fresh = malloc(sizeof *fresh);
    if (fresh == NULL) {
        return false;
    }
    fresh->value = value;
    atomic_init(&fresh->references, 1);
    pthread_mutex_lock(&published->lock);
    struct published_value *before = published->newest;
    published->newest = fresh;
    atomic_store(&published->in_force, value != NULL);
    atomic_fetch_add_explicit(&published->version, 1, memory_order_release);
    pthread_mutex_unlock(&published->lock);
    let_go(published, before);
    return true;
}

bool published_in_force(const struct published *published)
{
    return atomic_load(&published->in_force);
}

uint64_t published_version(const struct published *published)
{
    return atomic_load_explicit(&published->version, memory_order_acquire);
}

struct published_reader published_reader_over(struct published *published)
{
    assert(published != NULL);
    return (struct published_reader){.published = published};
}

static void take_newest(struct published_reader *reader)
{
    struct published *published = reader->published;
    struct published_value *before = reader->held;
    pthread_mutex_lock(&published->lock);
    reader->held = published->newest;
    reader->version = atomic_load_explicit(&published->version, memory_order_relaxed);
    atomic_fetch_add(&reader->held->references, 1);
    pthread_mutex_unlock(&published->lock);
    let_go(published, before);
}

const void *published_read(struct published_reader *reader)
{
    assert(reader->published != NULL);
    if (published_version(reader->published) != reader->version) {
        take_newest(reader);
    }
    return reader->held == NULL ? NULL : reader->held->value;
}

void published_reader_end(struct published_reader *reader)
{
    let_go(reader->published, reader->held);
    *reader = (struct published_reader){0};
}
