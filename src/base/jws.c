/* The signature of a token. */
#include "rsvpd/base/jws.h"

#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

enum {
    HMAC_SIZE_BYTES = 32,
    SALT_SIZE_BYTES = 32,   /* RFC 7518 section 3.5: that of the digest */
    SCALAR_SIZE_BYTES = 32, /* r and s: RFC 7518 section 3.4 */
    PAIR_SIZE_BYTES = 2 * SCALAR_SIZE_BYTES,
    SIGNATURE_DER_MAX_BYTES = 72, /* two integers of 33 bytes, and their heads */
};

static bool verify_hmac(const struct jwk *key, struct slice message, const unsigned char *signature,
                        size_t size)
{
    unsigned char code[HMAC_SIZE_BYTES];
    size_t written;
    EVP_MAC_CTX *hmac = EVP_MAC_CTX_dup(key->secret);
    bool same = hmac != NULL &&
                EVP_MAC_update(hmac, (const unsigned char *)message.data, message.size) == 1 &&
                EVP_MAC_final(hmac, code, &written, sizeof code) == 1 && size == sizeof code &&
                CRYPTO_memcmp(code, signature, sizeof code) == 0;
    EVP_MAC_CTX_free(hmac);
    return same;
}

/* r and s as OpenSSL wants them. Zero where they are not 32 bytes each, or memory is exhausted. */
static size_t write_der(const unsigned char *signature, size_t size,
                        unsigned char der[SIGNATURE_DER_MAX_BYTES])
{
    if (size != PAIR_SIZE_BYTES) {
        return 0;
    }
    int written = 0;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, SCALAR_SIZE_BYTES, NULL);
    BIGNUM *s = BN_bin2bn(signature + SCALAR_SIZE_BYTES, SCALAR_SIZE_BYTES, NULL);
    if (pair != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        written = i2d_ECDSA_SIG(pair, &der);
        r = s = NULL; /* they are the pair's now */
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return written > 0 ? (size_t)written : 0;
}

static bool verify_public(const struct jwk *key, enum jwt_algorithm algorithm, struct slice message,
                          const unsigned char *signature, size_t size)
{
    EVP_PKEY_CTX *options;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const EVP_MD *digest = algorithm == JWT_EDDSA ? NULL : key->digest; /* it brings its own */
    bool valid = context != NULL &&
                 EVP_DigestVerifyInit(context, &options, digest, NULL, key->public_key) == 1;
    if (valid && algorithm == JWT_PS256) {
        valid = EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(options, SALT_SIZE_BYTES) == 1;
    }
    valid = valid && EVP_DigestVerify(context, signature, size, (const unsigned char *)message.data,
                                      message.size) == 1;
    EVP_MD_CTX_free(context);
    return valid;
}

static bool verify(const struct jwk *key, enum jwt_algorithm algorithm, struct slice message,
                   const unsigned char *signature, size_t size)
{
    unsigned char der[SIGNATURE_DER_MAX_BYTES];
    switch (algorithm) {
    case JWT_HS256:
        return verify_hmac(key, message, signature, size);
    case JWT_ES256:
        size = write_der(signature, size, der);
        return size > 0 && verify_public(key, algorithm, message, der, size);
    case JWT_RS256:
    case JWT_PS256:
    case JWT_EDDSA:
        return verify_public(key, algorithm, message, signature, size);
    case JWT_ALGORITHM_COUNT:
        break;
    }
    return false;
}

bool jws_verify(const struct jwk *key, enum jwt_algorithm algorithm, struct slice message,
                const unsigned char *signature, size_t size)
{
    assert(key->algorithms & 1u << algorithm);
    assert((key->secret != NULL) == (algorithm == JWT_HS256));
    bool valid = verify(key, algorithm, message, signature, size);
    if (!valid) {
        ERR_clear_error();
    }
    return valid;
}
