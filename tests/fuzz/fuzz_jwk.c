/* Key sets: one is read, within its bounds, or refused with a reason; and no key of a set that
 * somebody wrote takes a signature that nobody made. */
#include "fuzz.h"

#include "rsvpd/base/jws.h"

static void check_keys(const struct jwk_set *set)
{
    unsigned char signature[JWS_SIGNATURE_SIZE_MAX_BYTES] = {0};
    static const size_t sizes[JWT_ALGORITHM_COUNT] = {256, 256, 64, 64, 32};
    memset(signature, 0x5a, sizeof signature);
    for (enum jwt_algorithm algorithm = 0; algorithm < JWT_ALGORITHM_COUNT; algorithm++) {
        const struct jwk *key = NULL;
        if (jwk_set_find(set, algorithm, NULL, &key) == JWK_FOUND) {
            assert(key->algorithms & 1u << algorithm);
            bool valid =
                jws_verify(key, algorithm, slice_of("message"), signature, sizes[algorithm]);
            assert(!valid);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[JWK_ERROR_SIZE_BYTES] = "";
    struct jwk_set *set = jwk_set_parse(fuzz_input(data, size), error);
    assert((set == NULL) == (error[0] != '\0'));
    if (set != NULL) {
        assert(jwk_set_count(set) >= 1);
        assert(jwk_set_count(set) + jwk_set_left_out(set) <= JWK_KEYS_MAX);
        check_keys(set);
        jwk_set_destroy(&set);
    }
    return 0;
}
