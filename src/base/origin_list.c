/* Origins of web pages as operators list them. */
#include "rsvpd/base/origin_list.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

static bool all_of(struct slice text, const char *others)
{
    size_t i = 0;
    while (i < text.size && ((text.data[i] >= 'a' && text.data[i] <= 'z') ||
                             (text.data[i] >= '0' && text.data[i] <= '9') ||
                             (text.data[i] != '\0' && strchr(others, text.data[i]) != NULL))) {
        i++;
    }
    return i == text.size;
}

/* A number that a browser writes: without zeros in front. */
static bool parse_port(struct slice digits, unsigned *port)
{
    int64_t number;
    if (!slice_number(digits, 5, &number) || digits.data[0] == '0') {
        return false;
    }
    *port = (unsigned)number;
    return number <= UINT16_MAX;
}

static bool is_port_of_scheme(struct slice scheme, unsigned port)
{
    return (slice_equal(scheme, slice_of("http")) && port == 80) ||
           (slice_equal(scheme, slice_of("https")) && port == 443);
}

/* The size of the host that `authority` begins with; 0 where it begins with none. */
static size_t host_size(struct slice authority)
{
    char copy[INET6_ADDRSTRLEN];
    struct in6_addr address;
    if (authority.size == 0 || authority.data[0] != '[') {
        const char *colon = memchr(authority.data, ':', authority.size);
        size_t size = colon == NULL ? authority.size : (size_t)(colon - authority.data);
        return all_of(slice_make(authority.data, size), "-._") ? size : 0;
    }
    const char *end = memchr(authority.data, ']', authority.size);
    size_t size = end == NULL ? 0 : (size_t)(end - authority.data) - 1;
    if (size == 0 || size >= sizeof copy || !all_of(slice_make(authority.data + 1, size), ":.")) {
        return 0;
    }
    memcpy(copy, authority.data + 1, size);
    copy[size] = '\0';
    return inet_pton(AF_INET6, copy, &address) == 1 ? size + 2 : 0;
}

/* What is wrong with an origin; NULL: nothing. */
static const char *find_fault(struct slice origin)
{
    struct slice rest = origin;
    struct slice scheme = slice_cut(&rest, ':');
    unsigned port;
    if (slice_equal(origin, slice_of("null"))) {
        return "is what any page can send that hides its origin: it cannot be allowed";
    }
    if (slice_equal(origin, slice_of("*"))) {
        return "allows every origin: give it alone, or the origins without it";
    }
    if (origin.size > ORIGIN_SIZE_MAX_BYTES) {
        return "is too long for an origin";
    }
    if (scheme.size == 0 || !all_of(scheme, "+-.") || rest.size < 2 ||
        memcmp(rest.data, "//", 2) != 0) {
        return "is not an origin such as https://example.com or http://localhost:3000";
    }
    rest = slice_make(rest.data + 2, rest.size - 2);
    size_t size = host_size(rest);
    if (size == 0) {
        return "has no host as browsers send it: in lower case, without path, user or wildcard";
    }
    rest = slice_make(rest.data + size, rest.size - size);
    if (rest.size == 0) {
        return NULL;
    }
    if (rest.data[0] != ':' || !parse_port(slice_make(rest.data + 1, rest.size - 1), &port)) {
        return "has something behind its host that is no port: an origin ends there, without '/'";
    }
    return is_port_of_scheme(scheme, port)
               ? "names the port of its scheme, which browsers leave out: leave it out as well"
               : NULL;
}

static bool add(struct origin_list *list, struct slice origin,
                char error[ORIGIN_LIST_ERROR_SIZE_BYTES])
{
    const char *fault = list->count == ORIGIN_LIST_MAX ? "is one origin too many: 64 are taken"
                                                       : find_fault(origin);
    if (fault != NULL) {
        snprintf(error, ORIGIN_LIST_ERROR_SIZE_BYTES, "'%.*s' %s",
                 (int)(origin.size > 80 ? 80 : origin.size), origin.data, fault);
        return false;
    }
    char *copy = strndup(origin.data, origin.size);
    if (copy == NULL) {
        snprintf(error, ORIGIN_LIST_ERROR_SIZE_BYTES, "out of memory");
        return false;
    }
    list->at[list->count++] = copy;
    return true;
}

bool origin_list_parse(struct origin_list *list, const char *text,
                       char error[ORIGIN_LIST_ERROR_SIZE_BYTES])
{
    struct slice rest = slice_of(text), word = slice_cut_word(&rest);
    *list = (struct origin_list){0};
    if (word.size == 0) {
        return true;
    }
    if (slice_equal(word, slice_of("*")) && slice_cut_word(&rest).size == 0) {
        list->any = true;
        return true;
    }
    rest = slice_of(text);
    list->at = calloc(ORIGIN_LIST_MAX, sizeof list->at[0]);
    if (list->at == NULL) {
        snprintf(error, ORIGIN_LIST_ERROR_SIZE_BYTES, "out of memory");
        return false;
    }
    while ((word = slice_cut_word(&rest)).size > 0) {
        if (!add(list, word, error)) {
            origin_list_free(list);
            return false;
        }
    }
    return true;
}

void origin_list_free(struct origin_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->at[i]);
    }
    free(list->at);
    *list = (struct origin_list){0};
}

const char *origin_list_find(const struct origin_list *list, struct slice origin)
{
    if (list->any) {
        return slice_equal(origin, slice_of("null")) ? NULL : "*";
    }
    for (size_t i = 0; i < list->count; i++) {
        if (slice_equal(origin, slice_of(list->at[i]))) {
            return list->at[i];
        }
    }
    return NULL;
}
