/* The digest SHA-256.
 *
 * DESIGN: OpenSSL looks an algorithm up by its name, under a lock, wherever EVP_sha256() is used.
 * That takes four times as long as the digest of a short text, so it is looked up once. */
#include "rsvpd/base/digest.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdatomic.h>

/* NULL while memory is exhausted. */
static const EVP_MD *sha256(void)
{
    static EVP_MD *_Atomic kept;
    EVP_MD *found = atomic_load_explicit(&kept, memory_order_acquire);
    if (found == NULL && (found = EVP_MD_fetch(NULL, "SHA256", NULL)) != NULL) {
        EVP_MD *first = NULL;
        if (!atomic_compare_exchange_strong(&kept, &first, found)) {
            EVP_MD_free(found);
            found = first; /* another thread's */
        }
    }
    return found;
}

bool digest_compute(struct slice bytes, unsigned char digest[DIGEST_SIZE_BYTES])
{
    const EVP_MD *algorithm = sha256();
    return algorithm != NULL &&
           EVP_Digest(bytes.data, bytes.size, digest, NULL, algorithm, NULL) == 1;
}

bool digest_equal(const unsigned char a[DIGEST_SIZE_BYTES],
                  const unsigned char b[DIGEST_SIZE_BYTES])
{
    return CRYPTO_memcmp(a, b, DIGEST_SIZE_BYTES) == 0;
}
