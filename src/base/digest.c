/* The digest SHA-256. */
#include "rsvpd/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

bool digest_compute(struct slice bytes, unsigned char digest[DIGEST_SIZE_BYTES])
{
    return EVP_Digest(bytes.data, bytes.size, digest, NULL, EVP_sha256(), NULL) == 1;
}

bool digest_equal(const unsigned char a[DIGEST_SIZE_BYTES],
                  const unsigned char b[DIGEST_SIZE_BYTES])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE_BYTES) == 0;
}
