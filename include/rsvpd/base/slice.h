/* A run of bytes that somebody else owns. */
#ifndef RSVPD_BASE_SLICE_H
#define RSVPD_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
    const char *data; /* not NUL-terminated; may be NULL when size is 0 */
    size_t size;
};

static inline struct slice slice_make(const char *data, size_t size)
{
    return (struct slice){data, size};
}

/* Without its first `size` bytes, which it has. */
static inline struct slice slice_skip(struct slice text, size_t size)
{
    return slice_make(text.data + size, text.size - size);
}

/* Of a NUL-terminated string; NULL gives the empty slice. */
static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* ASCII case folded, as HTTP's field names and media types compare. */
static inline bool slice_equal_nocase(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || strncasecmp(a.data, b.data, a.size) == 0);
}

/* Without blanks and tabs at either end. */
static inline struct slice slice_trim(struct slice s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.size--;
    }
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t')) {
        s.size--;
    }
    return s;
}

/* A whole number of 1 to `digits_max` decimal digits, and nothing else, so that "8080x", " 1", "+1"
 * and "1e3" are mistakes and not numbers. 18 digits always fit. */
static inline bool slice_number(struct slice text, size_t digits_max, int64_t *number)
{
    int64_t value = 0;
    if (text.size == 0 || text.size > digits_max) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        value = value * 10 + (text.data[i] - '0');
    }
    *number = value;
    return true;
}

/* Cuts `rest` at the first `separator`: returns what is in front of it, and leaves what follows. */
static inline struct slice slice_cut(struct slice *rest, char separator)
{
    const char *end = rest->size == 0 ? NULL : memchr(rest->data, separator, rest->size);
    if (end == NULL) {
        struct slice all = *rest;
        *rest = (struct slice){NULL, 0};
        return all;
    }
    struct slice head = {rest->data, (size_t)(end - rest->data)};
    rest->size -= head.size + 1;
    rest->data = end + 1;
    return head;
}

/* Cuts the next word off a list that an operator wrote, with commas or blanks between its words;
 * empty at its end. */
static inline struct slice slice_cut_word(struct slice *list)
{
    size_t begin = 0;
    while (begin < list->size &&
           (list->data[begin] == ',' || list->data[begin] == ' ' || list->data[begin] == '\t')) {
        begin++;
    }
    size_t end = begin;
    while (end < list->size && list->data[end] != ',' && list->data[end] != ' ' &&
           list->data[end] != '\t') {
        end++;
    }
    struct slice word = {list->data + begin, end - begin};
    list->data += end;
    list->size -= end;
    return word;
}

#endif
