/* Tokens: whatever comes in is refused, and what we sign is good only for what it says. The input
 * as it stands is a token. Its first line is also a header, and what follows a payload, which are
 * signed well, so that all checks behind the signature are reached; and then signed badly. */
#include "fuzz.h"

#include "rsvpd/base/jwt.h"

#include "token.h"

#include <stdlib.h>

enum { NOW = 1700000000 };

/* RFC 7515, appendix A.3, and RFC 8037, appendix A.2: nobody has signed for us. */
static const char public_keys[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"e\","
    "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
static const char secret[] = "a secret that has more than thirty-two bytes";
static const char *const scope_words[] = {"rsvp:read", "rsvp:write"};
static const struct jwt_policy policy = {.algorithms = (1u << JWT_ALGORITHM_COUNT) - 1,
                                         .leeway_s = 30,
                                         .scope_words = scope_words,
                                         .scope_count = 2};

static enum jwt_fault check(const struct jwk_set *keys, struct slice token,
                            struct jwt_claims *claims)
{
    enum jwt_fault fault = jwt_check(keys, &policy, token, NOW, claims);
    assert(fault < JWT_FAULT_COUNT);
    if (fault == JWT_GOOD) {
        assert(claims->subject_size > 0 && claims->subject_size <= JWT_SUBJECT_SIZE_BYTES);
        assert(claims->good_until_s > NOW && claims->scopes < 4);
    } else {
        assert(*jwt_fault_text(fault) != '\0');
    }
    return fault;
}

/* A token as `token_sign` makes it is good or not by what it says alone; with another signature it
 * never is. */
static void check_signed(const struct jwk_set *keys, const struct token_key *key,
                         const char *header, const char *payload)
{
    struct jwt_claims claims;
    char *token = token_sign(key, "HS256", header, payload);
    size_t size = strlen(token);
    enum jwt_fault fault = check(keys, slice_make(token, size), &claims);
    assert(fault != JWT_BAD_SIGNATURE && fault != JWT_ENCRYPTED);
    token[size - 2] = token[size - 2] == 'A' ? 'B' : 'A';
    enum jwt_fault forged = check(keys, slice_make(token, size), &claims);
    assert(forged == (fault < JWT_BAD_SIGNATURE && fault != JWT_GOOD ? fault : JWT_BAD_SIGNATURE));
    free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct jwk_set *public_set, *secret_set;
    static struct token_key *key;
    char error[JWK_ERROR_SIZE_BYTES];
    if (key == NULL) {
        public_set = jwk_set_parse(slice_of(public_keys), error);
        secret_set = jwk_set_of_secret(slice_of(secret), error);
        key = token_key_of_secret(secret, strlen(secret));
        assert(public_set != NULL && secret_set != NULL);
    }
    struct slice rest = fuzz_input(data, size);
    struct jwt_claims claims;
    enum jwt_fault fault = check(public_set, rest, &claims);
    assert(fault != JWT_GOOD);
    fault = check(secret_set, rest, &claims);
    assert(fault != JWT_GOOD);
    char *header = fuzz_string(slice_cut(&rest, '\n')), *payload = fuzz_string(rest);
    check_signed(secret_set, key, header, payload);
    free(header);
    free(payload);
    return 0;
}
