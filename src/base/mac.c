/* Message authentication. */
#include "rsvpd/base/mac.h"

#include <assert.h>
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

bool mac_equal(const unsigned char a[MAC_SIZE_BYTES], const unsigned char b[MAC_SIZE_BYTES])
{
    return CRYPTO_memcmp(a, b, MAC_SIZE_BYTES) == 0;
}
