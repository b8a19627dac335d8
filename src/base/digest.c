/* The digest SHA-256.
 *
 * DESIGN: OpenSSL looks an algorithm up by its name, under a lock, wherever EVP_sha256() is used.
 * That takes four times as long as the digest of a short text, so it is looked up once. */
#include "rsvpd/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>

static pthread_once_t looked_up = PTHREAD_ONCE_INIT;
static EVP_MD *sha256; /* NULL: memory was exhausted */

static void look_up(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
}

bool digest_compute(struct slice bytes, unsigned char digest[DIGEST_SIZE_BYTES])
{
    return pthread_once(&looked_up, look_up) == 0 && sha256 != NULL &&
           EVP_Digest(bytes.data, bytes.size, digest, NULL, sha256, NULL) == 1;
}

bool digest_equal(const unsigned char a[DIGEST_SIZE_BYTES],
                  const unsigned char b[DIGEST_SIZE_BYTES])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE_BYTES) == 0;
}
