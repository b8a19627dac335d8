/* Signatures of webhooks. */
#include "rsvpd/base/webhook.h"
#include "rsvpd/base/digest.h"
#include "rsvpd/base/mac.h"

#include <assert.h>
#include <openssl/evp.h>
#include <stdio.h>

enum {
    CODE_SIZE_BYTES = 32,
    BASE64_SIZE_MAX_BYTES = 4 * ((WEBHOOK_KEY_SIZE_MAX_BYTES + 2) / 3),
    ID_DIGITS = 32
};

static const char prefix[] = "whsec_";

/* Base64 with its padding (RFC 4648 section 4), which OpenSSL reads in whole blocks. */
static bool parse_key(struct slice word, struct webhook_key *key)
{
    unsigned char bytes[BASE64_SIZE_MAX_BYTES];
    if (word.size < strlen(prefix) || memcmp(word.data, prefix, strlen(prefix)) != 0) {
        return false;
    }
    struct slice text = slice_skip(word, strlen(prefix));
    size_t padding = 0;
    while (padding < 2 && padding < text.size && text.data[text.size - 1 - padding] == '=') {
        padding++;
    }
    if (text.size == 0 || text.size % 4 != 0 || text.size > BASE64_SIZE_MAX_BYTES ||
        memchr(text.data, '=', text.size - padding) != NULL) {
        return false;
    }
    int size = EVP_DecodeBlock(bytes, (const unsigned char *)text.data, (int)text.size);
    if (size < 0 || (size_t)size != text.size / 4 * 3) {
        return false;
    }
    key->size = (size_t)size - padding;
    if (key->size < WEBHOOK_KEY_SIZE_MIN_BYTES || key->size > WEBHOOK_KEY_SIZE_MAX_BYTES) {
        return false;
    }
    memcpy(key->bytes, bytes, key->size);
    return true;
}

bool webhook_secrets_parse(struct slice text, struct webhook_secrets *secrets)
{
    struct slice word;
    *secrets = (struct webhook_secrets){.count = 0};
    while ((word = slice_cut_word(&text)).size > 0) {
        if (secrets->count == WEBHOOK_SECRETS_MAX ||
            !parse_key(word, &secrets->keys[secrets->count])) {
            return false;
        }
        secrets->count++;
    }
    return secrets->count > 0;
}

bool webhook_id(struct slice content, char id[WEBHOOK_ID_SIZE_BYTES])
{
    unsigned char digest[DIGEST_SIZE_BYTES];
    if (!digest_compute(content, digest)) {
        return false;
    }
    size_t size = (size_t)snprintf(id, WEBHOOK_ID_SIZE_BYTES, "msg_");
    for (size_t i = 0; i < ID_DIGITS / 2; i++) {
        size += (size_t)snprintf(id + size, WEBHOOK_ID_SIZE_BYTES - size, "%02x", digest[i]);
    }
    return true;
}

static bool compute(const struct webhook_key *key, struct slice head, struct slice body,
                    unsigned char code[CODE_SIZE_BYTES])
{
    EVP_MAC_CTX *context = mac_context_create(slice_make((const char *)key->bytes, key->size));
    size_t written = 0;
    bool made = context != NULL &&
                EVP_MAC_update(context, (const unsigned char *)head.data, head.size) == 1 &&
                EVP_MAC_update(context, (const unsigned char *)body.data, body.size) == 1 &&
                EVP_MAC_final(context, code, &written, CODE_SIZE_BYTES) == 1 &&
                written == CODE_SIZE_BYTES;
    EVP_MAC_CTX_free(context);
    return made;
}

bool webhook_sign(const struct webhook_secrets *secrets, const char *id, int64_t timestamp_s,
                  struct slice body, char signature[WEBHOOK_SIGNATURE_SIZE_BYTES])
{
    char head[WEBHOOK_ID_SIZE_BYTES + 32];
    int head_size = snprintf(head, sizeof head, "%s.%lld.", id, (long long)timestamp_s);
    assert(secrets->count > 0 && head_size > 0 && (size_t)head_size < sizeof head);
    struct text out = text_over(signature, WEBHOOK_SIGNATURE_SIZE_BYTES - 1);
    bool made = true;
    for (size_t i = 0; made && i < secrets->count; i++) {
        unsigned char code[CODE_SIZE_BYTES];
        unsigned char base64[4 * ((CODE_SIZE_BYTES + 2) / 3) + 1];
        made = compute(&secrets->keys[i], slice_make(head, (size_t)head_size), body, code);
        if (made) {
            (void)EVP_EncodeBlock(base64, code, CODE_SIZE_BYTES);
            text_add_format(&out, "%sv1,%s", i == 0 ? "" : " ", (const char *)base64);
        }
    }
    assert(!out.truncated);
    signature[out.size] = '\0';
    return made;
}
