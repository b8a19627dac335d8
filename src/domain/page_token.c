/* The token with which a client asks for the next page of a listing. */
#include "rsvpd/domain/page_token.h"
#include "rsvpd/base/base64url.h"
#include "rsvpd/base/text.h"

#include <assert.h>

enum {
    SUBJECT_SIZE_BYTES = IDENTIFIER_SIZE_MAX_BYTES + 64,
    MESSAGE_SIZE_BYTES = SUBJECT_SIZE_BYTES + PAGE_TOKEN_END_SIZE_MAX_BYTES,
    RAW_SIZE_MAX_BYTES = MAC_SIZE_BYTES + PAGE_TOKEN_END_SIZE_MAX_BYTES
};

static_assert(PAGE_TOKEN_SIZE_BYTES > BASE64URL_SIZE(RAW_SIZE_MAX_BYTES),
              "the longest token has room for its NUL");

/* What a token is of. A blank is in no identifier, so different listings cannot look alike. */
static void write_subject(struct text *subject, const struct listing *listing)
{
    static const char *const words[] = {[OPERATION_LIST_USERS] = " users ",
                                        [OPERATION_LIST_ENTITIES] = " entities ",
                                        [OPERATION_LIST_WAITING] = " waitlist ",
                                        [OPERATION_LIST_EVENTS] = " settings "};
    assert((size_t)listing->kind < sizeof words / sizeof words[0] && words[listing->kind] != NULL);
    assert((listing->of.size == 0) == (listing->kind == OPERATION_LIST_EVENTS));
    text_add_cstr(subject, listing->relation->name);
    text_add_cstr(subject, words[listing->kind]);
    text_add(subject, identifier_slice(&listing->of));
    text_add_cstr(subject, " ");
}

/* No relation is called so. */
static void write_export_subject(struct text *subject, const struct identifier *user)
{
    text_add_cstr(subject, "export ");
    text_add(subject, identifier_slice(user));
    text_add_cstr(subject, " ");
}

static bool sign(const unsigned char *key, struct slice subject, struct slice end,
                 unsigned char mac[MAC_SIZE_BYTES])
{
    char buffer[MESSAGE_SIZE_BYTES];
    struct text message = text_over(buffer, sizeof buffer);
    assert(end.size > 0);
    text_add(&message, subject);
    text_add(&message, end);
    assert(!message.truncated);
    return mac_compute(key, text_slice(&message), mac);
}

static bool make(const unsigned char *key, struct slice subject, struct slice end,
                 char token[PAGE_TOKEN_SIZE_BYTES])
{
    unsigned char raw[RAW_SIZE_MAX_BYTES];
    assert(end.size <= PAGE_TOKEN_END_SIZE_MAX_BYTES);
    if (!sign(key, subject, end, raw)) {
        return false;
    }
    memcpy(raw + MAC_SIZE_BYTES, end.data, end.size);
    size_t size = base64url_encode(raw, MAC_SIZE_BYTES + end.size, token);
    assert(size < PAGE_TOKEN_SIZE_BYTES);
    token[size] = '\0';
    return true;
}

/* `end` is in `raw` then. */
static enum problem parse(const unsigned char *key, struct slice subject, struct slice token,
                          unsigned char raw[RAW_SIZE_MAX_BYTES], struct slice *end)
{
    unsigned char mac[MAC_SIZE_BYTES];
    size_t size;
    if (!base64url_decode(token, raw, RAW_SIZE_MAX_BYTES, &size) || size <= MAC_SIZE_BYTES) {
        return PROBLEM_INVALID_PARAMETER;
    }
    *end = slice_make((const char *)raw + MAC_SIZE_BYTES, size - MAC_SIZE_BYTES);
    if (!sign(key, subject, *end, mac)) {
        return PROBLEM_INTERNAL;
    }
    return mac_equal(mac, raw) ? PROBLEM_NONE : PROBLEM_INVALID_PARAMETER;
}

bool page_token_make(const unsigned char *key, const struct listing *listing,
                     const struct identifier *last, char token[PAGE_TOKEN_SIZE_BYTES])
{
    char buffer[SUBJECT_SIZE_BYTES];
    struct text subject = text_over(buffer, sizeof buffer);
    write_subject(&subject, listing);
    return make(key, text_slice(&subject), identifier_slice(last), token);
}

enum problem page_token_parse(const unsigned char *key, const struct listing *listing,
                              struct slice token, struct identifier *last)
{
    char buffer[SUBJECT_SIZE_BYTES];
    unsigned char raw[RAW_SIZE_MAX_BYTES];
    struct text subject = text_over(buffer, sizeof buffer);
    struct slice end;
    write_subject(&subject, listing);
    enum problem problem = parse(key, text_slice(&subject), token, raw, &end);
    bool valid = problem != PROBLEM_NONE || identifier_parse_stored(end, last);
    return valid ? problem : PROBLEM_INVALID_PARAMETER;
}

bool page_token_make_export(const unsigned char *key, const struct identifier *user,
                            const struct export_end *end, char token[PAGE_TOKEN_SIZE_BYTES])
{
    char buffer[SUBJECT_SIZE_BYTES], bytes[PAGE_TOKEN_END_SIZE_MAX_BYTES];
    struct text subject = text_over(buffer, sizeof buffer);
    write_export_subject(&subject, user);
    bytes[0] = (char)end->part;
    memcpy(bytes + 1, end->data, end->size);
    return make(key, text_slice(&subject), slice_make(bytes, 1u + end->size), token);
}

enum problem page_token_parse_export(const unsigned char *key, const struct identifier *user,
                                     struct slice token, struct export_end *end)
{
    char buffer[SUBJECT_SIZE_BYTES];
    unsigned char raw[RAW_SIZE_MAX_BYTES];
    struct text subject = text_over(buffer, sizeof buffer);
    struct slice bytes;
    write_export_subject(&subject, user);
    enum problem problem = parse(key, text_slice(&subject), token, raw, &bytes);
    if (problem == PROBLEM_NONE) { /* then it is ours */
        end->part = (uint8_t)bytes.data[0];
        end->size = (uint8_t)(bytes.size - 1);
        memcpy(end->data, bytes.data + 1, bytes.size - 1);
    }
    return problem;
}
