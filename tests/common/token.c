/* Tokens for tests. */
#include "token.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { COORDINATE_SIZE = 32, POINT_SIZE = 1 + 2 * COORDINATE_SIZE, SIGNATURE_SIZE_MAX = 2048 };

struct token_key {
    enum token_key_type type;
    char *kid;
    EVP_PKEY *pair; /* NULL for a secret */
    unsigned char *secret;
    size_t secret_size;
};

/* ---- keys ---- */

static struct token_key *wrap(enum token_key_type type, EVP_PKEY *pair, const char *kid)
{
    struct token_key *key = calloc(1, sizeof *key);
    assert(key != NULL && pair != NULL);
    key->type = type;
    key->pair = pair;
    key->kid = kid == NULL ? NULL : strdup(kid);
    return key;
}

struct token_key *token_key_create_rsa(unsigned bits, const char *kid)
{
    return wrap(TOKEN_RSA, EVP_RSA_gen(bits), kid);
}

struct token_key *token_key_create_ec(const char *curve, const char *kid)
{
    return wrap(TOKEN_EC, EVP_EC_gen(curve), kid);
}

struct token_key *token_key_create(enum token_key_type type, const char *kid)
{
    switch (type) {
    case TOKEN_RSA:
        return token_key_create_rsa(2048, kid);
    case TOKEN_EC:
        return token_key_create_ec("P-256", kid);
    case TOKEN_ED25519:
        break;
    }
    return wrap(TOKEN_ED25519, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), kid);
}

struct token_key *token_key_of_secret(const void *secret, size_t size)
{
    struct token_key *key = calloc(1, sizeof *key);
    assert(key != NULL);
    key->secret = malloc(size);
    assert(key->secret != NULL);
    memcpy(key->secret, secret, size);
    key->secret_size = size;
    return key;
}

void token_key_destroy(struct token_key **key)
{
    if (*key != NULL) {
        free((*key)->kid);
        EVP_PKEY_free((*key)->pair);
        free((*key)->secret);
        free(*key);
        *key = NULL;
    }
}

char *token_encode(const void *bytes, size_t size)
{
    char *text = malloc(size / 3 * 4 + 8);
    assert(text != NULL);
    int length = EVP_EncodeBlock((unsigned char *)text, bytes, (int)size);
    text[length] = '\0';
    text[strcspn(text, "=")] = '\0';
    for (char *c = text; *c != '\0'; c++) {
        if (*c == '+' || *c == '/') {
            *c = *c == '+' ? '-' : '_';
        }
    }
    return text;
}

static void set_bytes(json_t *jwk, const char *name, const void *bytes, size_t size)
{
    char *text = token_encode(bytes, size);
    int failed = json_object_set_new(jwk, name, json_string(text));
    assert(!failed);
    free(text);
}

static void set_text(json_t *jwk, const char *name, const char *text)
{
    int failed = json_object_set_new(jwk, name, json_string(text));
    assert(!failed);
}

static void set_number(json_t *jwk, const char *name, const EVP_PKEY *pair, const char *parameter)
{
    BIGNUM *number = NULL;
    int got = EVP_PKEY_get_bn_param(pair, parameter, &number);
    assert(got == 1);
    unsigned char *bytes = malloc((size_t)BN_num_bytes(number));
    assert(bytes != NULL);
    set_bytes(jwk, name, bytes, (size_t)BN_bn2bin(number, bytes));
    free(bytes);
    BN_free(number);
}

json_t *token_key_jwk(const struct token_key *key)
{
    unsigned char raw[POINT_SIZE * 4];
    size_t size = sizeof raw;
    json_t *jwk = json_object();
    assert(jwk != NULL && key->pair != NULL);
    if (key->type == TOKEN_RSA) {
        set_text(jwk, "kty", "RSA");
        set_number(jwk, "n", key->pair, OSSL_PKEY_PARAM_RSA_N);
        set_number(jwk, "e", key->pair, OSSL_PKEY_PARAM_RSA_E);
    } else if (key->type == TOKEN_EC) {
        int got =
            EVP_PKEY_get_octet_string_param(key->pair, OSSL_PKEY_PARAM_PUB_KEY, raw, size, &size);
        assert(got == 1 && raw[0] == POINT_CONVERSION_UNCOMPRESSED);
        set_text(jwk, "kty", "EC");
        set_text(jwk, "crv", "P-256");
        set_bytes(jwk, "x", raw + 1, (size - 1) / 2);
        set_bytes(jwk, "y", raw + 1 + (size - 1) / 2, (size - 1) / 2);
    } else {
        int got = EVP_PKEY_get_raw_public_key(key->pair, raw, &size);
        assert(got == 1);
        set_text(jwk, "kty", "OKP");
        set_text(jwk, "crv", "Ed25519");
        set_bytes(jwk, "x", raw, size);
    }
    if (key->kid != NULL) {
        set_text(jwk, "kid", key->kid);
    }
    return jwk;
}

char *token_key_pem(const struct token_key *key)
{
    char *data, *pem;
    BIO *memory = BIO_new(BIO_s_mem());
    int written = PEM_write_bio_PUBKEY(memory, key->pair);
    assert(written == 1);
    long size = BIO_get_mem_data(memory, &data);
    pem = malloc((size_t)size + 1);
    assert(pem != NULL);
    memcpy(pem, data, (size_t)size); /* no string: nothing ends it */
    pem[size] = '\0';
    BIO_free(memory);
    return pem;
}

char *token_key_set(const struct token_key *const *keys, size_t count)
{
    json_t *all = json_array();
    for (size_t i = 0; i < count; i++) {
        int failed = json_array_append_new(all, token_key_jwk(keys[i]));
        assert(!failed);
    }
    json_t *set = json_pack("{s:o}", "keys", all);
    char *text = json_dumps(set, JSON_COMPACT);
    assert(text != NULL);
    json_decref(set);
    return text;
}

/* ---- tokens ---- */

/* DER as OpenSSL writes it becomes r and s. */
static size_t from_der(unsigned char *signature, size_t size, size_t scalar_size)
{
    const unsigned char *der = signature;
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)size);
    assert(pair != NULL);
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, (int)scalar_size);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + scalar_size, (int)scalar_size);
    ECDSA_SIG_free(pair);
    return 2 * scalar_size;
}

static size_t sign_with_pair(const struct token_key *key, const char *algorithm,
                             const char *message, unsigned char *signature)
{
    EVP_PKEY_CTX *options;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t size = SIGNATURE_SIZE_MAX;
    bool pss = strcmp(algorithm, "PS256") == 0, ed25519 = key->type == TOKEN_ED25519;
    bool done =
        EVP_DigestSignInit(context, &options, ed25519 ? NULL : EVP_sha256(), NULL, key->pair) ==
            1 &&
        (!pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                  EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
        EVP_DigestSign(context, signature, &size, (const unsigned char *)message,
                       strlen(message)) == 1;
    assert(done);
    EVP_MD_CTX_free(context);
    size_t scalar_size = ((size_t)EVP_PKEY_get_bits(key->pair) + 7) / 8;
    return key->type == TOKEN_EC ? from_der(signature, size, scalar_size) : size;
}

unsigned char *token_signature(const struct token_key *key, const char *algorithm,
                               const char *message, size_t *size)
{
    unsigned char *signature = malloc(SIGNATURE_SIZE_MAX);
    unsigned hmac_size = 0;
    assert(signature != NULL);
    if (key->pair != NULL) {
        *size = sign_with_pair(key, algorithm, message, signature);
    } else {
        HMAC(EVP_sha256(), key->secret, (int)key->secret_size, (const unsigned char *)message,
             strlen(message), signature, &hmac_size);
        *size = hmac_size;
    }
    return signature;
}

/* header.payload */
static char *message_of(const char *header, const char *payload)
{
    char *message;
    char *head = token_encode(header, strlen(header)),
         *body = token_encode(payload, strlen(payload));
    int size = asprintf(&message, "%s.%s", head, body);
    assert(size > 0);
    free(head);
    free(body);
    return message;
}

static char *join(char *message, const void *signature, size_t signature_size)
{
    char *token, *encoded = token_encode(signature, signature_size);
    int size = asprintf(&token, "%s.%s", message, encoded);
    assert(size > 0);
    free(encoded);
    free(message);
    return token;
}

char *token_join(const char *header, const char *payload, const void *signature,
                 size_t signature_size)
{
    return join(message_of(header, payload), signature, signature_size);
}

char *token_sign(const struct token_key *key, const char *algorithm, const char *header,
                 const char *payload)
{
    size_t size;
    char *message = message_of(header, payload);
    unsigned char *signature = token_signature(key, algorithm, message, &size);
    char *token = join(message, signature, size);
    free(signature);
    return token;
}

char *token_make(const struct token_key *key, const char *algorithm, const char *payload)
{
    char *header, *token;
    int size = key->kid == NULL
                   ? asprintf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\"}", algorithm)
                   : asprintf(&header, "{\"alg\":\"%s\",\"typ\":\"JWT\",\"kid\":\"%s\"}", algorithm,
                              key->kid);
    assert(size > 0);
    token = token_sign(key, algorithm, header, payload);
    free(header);
    return token;
}

char *token_for(const struct token_key *key, const char *algorithm, const char *subject,
                const char *scope, int64_t good_for_s)
{
    json_int_t now = time(NULL), until = now + good_for_s;
    json_t *payload =
        json_pack("{s:s,s:I,s:I,s:s*}", "sub", subject, "iat", now, "exp", until, "scope", scope);
    assert(payload != NULL);
    char *text = json_dumps(payload, JSON_COMPACT);
    char *token = token_make(key, algorithm, text);
    free(text);
    json_decref(payload);
    return token;
}
