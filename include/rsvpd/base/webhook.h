/* Signatures of webhooks as Standard Webhooks 1.0 has them (https://www.standardwebhooks.com):
 * HMAC-SHA-256 over "<id>.<timestamp>.<body>", by each secret that is in force. */
#ifndef RSVPD_BASE_WEBHOOK_H
#define RSVPD_BASE_WEBHOOK_H

#include "rsvpd/base/contract.h"
#include "rsvpd/base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    WEBHOOK_SECRETS_MAX = 2, /* the second while one is replaced */
    WEBHOOK_KEY_SIZE_MIN_BYTES = 24,
    WEBHOOK_KEY_SIZE_MAX_BYTES = 64,
    WEBHOOK_ID_SIZE_BYTES = 40,        /* with its NUL */
    WEBHOOK_SIGNATURE_SIZE_BYTES = 128 /* of all of them, with a NUL */
};

#define WEBHOOK_SECRET_RULE                                                                        \
    "one or two secrets, separated by a blank, of whsec_ and 24 to 64 bytes in Base64, as "        \
    "'printf whsec_; openssl rand -base64 32' makes one"

struct webhook_key {
    unsigned char bytes[WEBHOOK_KEY_SIZE_MAX_BYTES];
    size_t size;
};

struct webhook_secrets {
    struct webhook_key keys[WEBHOOK_SECRETS_MAX];
    size_t count; /* 0: there are none, and nothing can be signed */
};

/* Reads WEBHOOK_SECRET_RULE. False where the text is anything else. */
MUST_CHECK bool webhook_secrets_parse(struct slice text, struct webhook_secrets *secrets);

/* An id of a message with this content: always the same one, and of no other content. False when
 * memory is exhausted. */
MUST_CHECK bool webhook_id(struct slice content, char id[WEBHOOK_ID_SIZE_BYTES]);

/* Writes the signatures, "v1,…" each, separated by a blank. There must be a secret. False when
 * memory is exhausted. */
MUST_CHECK bool webhook_sign(const struct webhook_secrets *secrets, const char *id,
                             int64_t timestamp_s, struct slice body,
                             char signature[WEBHOOK_SIGNATURE_SIZE_BYTES]);

#endif
