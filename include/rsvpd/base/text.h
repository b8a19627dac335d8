/* Text in a buffer of fixed size: bodies, log lines and metrics are written with it. */
#ifndef RSVPD_BASE_TEXT_H
#define RSVPD_BASE_TEXT_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/slice.h"

#include <stdbool.h>
#include <stdint.h>

struct text {
    char *data;
    size_t size;     /* bytes written */
    size_t capacity; /* bytes that fit */
    bool truncated;  /* something did not fit and was left out */
};

/* Writes into `buffer`, which stays the caller's. */
static inline struct text text_over(char *buffer, size_t capacity)
{
    return (struct text){.data = buffer, .capacity = capacity};
}

static inline struct slice text_slice(const struct text *text)
{
    return (struct slice){text->data, text->size};
}

/* Room for `size` bytes that the caller fills in. If they do not fit, it returns NULL and the text
 * is truncated. */
MUST_CHECK char *text_reserve(struct text *text, size_t size);

void text_add(struct text *text, struct slice bytes);
void text_add_cstr(struct text *text, const char *string);
void text_add_int(struct text *text, int64_t number);
void text_add_uint(struct text *text, uint64_t number);

/* RFC 3339 in UTC with milliseconds, as in 2026-11-22T10:15:30.123Z; the time in milliseconds since
 * the Unix epoch. */
void text_add_time(struct text *text, int64_t unix_ms);

/* As printf. */
void text_add_format(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
