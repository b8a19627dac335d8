/* The token with which a client asks for the next page of a listing. */
#include "rsvpd/domain/page_token.h"
#include "rsvpd/base/base64url.h"
#include "rsvpd/base/text.h"

#include <assert.h>

enum {
    MESSAGE_SIZE_BYTES = 2 * IDENTIFIER_SIZE_MAX_BYTES + 64,
    RAW_SIZE_MAX_BYTES = MAC_SIZE_BYTES + IDENTIFIER_SIZE_MAX_BYTES
};

static_assert(PAGE_TOKEN_SIZE_BYTES > BASE64URL_SIZE(RAW_SIZE_MAX_BYTES),
              "the longest token has room for its NUL");

/* A blank is in no identifier, so different listings and ends cannot look alike. */
static bool sign(const unsigned char *key, const struct listing *listing,
                 const struct identifier *last, unsigned char mac[MAC_SIZE_BYTES])
{
    assert(listing->kind == OPERATION_LIST_USERS || listing->kind == OPERATION_LIST_ENTITIES ||
           listing->kind == OPERATION_LIST_WAITING);
    assert(listing->of.size > 0 && last->size > 0);
    char buffer[MESSAGE_SIZE_BYTES];
    struct text message = text_over(buffer, sizeof buffer);
    text_add_cstr(&message, listing->relation->name);
    text_add_cstr(&message, listing->kind == OPERATION_LIST_USERS     ? " users "
                            : listing->kind == OPERATION_LIST_WAITING ? " waitlist "
                                                                      : " entities ");
    text_add(&message, identifier_slice(&listing->of));
    text_add_cstr(&message, " ");
    text_add(&message, identifier_slice(last));
    assert(!message.truncated);
    return mac_compute(key, text_slice(&message), mac);
}

bool page_token_make(const unsigned char *key, const struct listing *listing,
                     const struct identifier *last, char token[PAGE_TOKEN_SIZE_BYTES])
{
    unsigned char raw[RAW_SIZE_MAX_BYTES];
    if (!sign(key, listing, last, raw)) {
        return false;
    }
    memcpy(raw + MAC_SIZE_BYTES, last->data, last->size);
    size_t size = base64url_encode(raw, MAC_SIZE_BYTES + last->size, token);
    assert(size < PAGE_TOKEN_SIZE_BYTES);
    token[size] = '\0';
    return true;
}

enum problem page_token_parse(const unsigned char *key, const struct listing *listing,
                              struct slice token, struct identifier *last)
{
    unsigned char raw[RAW_SIZE_MAX_BYTES], mac[MAC_SIZE_BYTES];
    size_t size;
    if (!base64url_decode(token, raw, sizeof raw, &size) || size <= MAC_SIZE_BYTES ||
        !identifier_parse_stored(
            slice_make((const char *)raw + MAC_SIZE_BYTES, size - MAC_SIZE_BYTES), last)) {
        return PROBLEM_INVALID_PARAMETER;
    }
    if (!sign(key, listing, last, mac)) {
        return PROBLEM_INTERNAL;
    }
    return mac_equal(mac, raw) ? PROBLEM_NONE : PROBLEM_INVALID_PARAMETER;
}
