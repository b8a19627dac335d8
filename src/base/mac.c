/* Message authentication. */
#include "rsvpd/base/mac.h"

#include <assert.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

bool mac_compute(const unsigned char *key, struct slice message, unsigned char mac[MAC_SIZE_BYTES])
{
    unsigned char whole[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const unsigned char *made =
        HMAC(EVP_sha256(), key, MAC_KEY_SIZE_BYTES, (const unsigned char *)message.data,
             message.size, whole, &size);
    if (made == NULL) {
        return false;
    }
    assert(size >= MAC_SIZE_BYTES);
    memcpy(mac, whole, MAC_SIZE_BYTES);
    return true;
}

bool mac_compute_blocks(const unsigned char *key, const unsigned char *messages, size_t count,
                        unsigned char *macs)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int size = 0;
    assert(count <= INT_MAX / MAC_SIZE_BYTES);
    bool made = context != NULL &&
                EVP_EncryptInit_ex(context, EVP_aes_256_ecb(), NULL, key, NULL) == 1 &&
                EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
                EVP_EncryptUpdate(context, macs, &size, messages, (int)count * MAC_SIZE_BYTES) == 1;
    assert(!made || size == (int)count * MAC_SIZE_BYTES); /* whole blocks: none is held back */
    EVP_CIPHER_CTX_free(context);
    return made;
}

EVP_MAC_CTX *mac_context_create(struct slice key)
{
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    if (context != NULL &&
        EVP_MAC_init(context, (const unsigned char *)key.data, key.size, parameters) != 1) {
        EVP_MAC_CTX_free(context);
        context = NULL;
    }
    EVP_MAC_free(hmac);
    return context;
}

bool mac_equal(const unsigned char a[MAC_SIZE_BYTES], const unsigned char b[MAC_SIZE_BYTES])
{
    return CRYPTO_memcmp(a, b, MAC_SIZE_BYTES) == 0;
}
