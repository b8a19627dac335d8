/* The keys that sign tokens. */
#include "rsvpd/base/jwk.h"
#include "rsvpd/base/base64url.h"
#include "rsvpd/base/mac.h"

#include <jansson.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    COORDINATE_SIZE_BYTES = 32, /* of P-256 and of Ed25519 */
    RSA_EXPONENT_BITS_MAX = 64,
};

#define BIT(algorithm) (1u << (algorithm))

struct jwk_set {
    EVP_MD *sha256;
    size_t count, left_out;
    struct jwk keys[JWK_KEYS_MAX];
};

/* "EdDSA" comes before what RFC 9864 calls the same. */
static const struct {
    const char *name;
    enum jwt_algorithm algorithm;
} algorithm_names[] = {
    {"RS256", JWT_RS256}, {"PS256", JWT_PS256},   {"ES256", JWT_ES256},
    {"EdDSA", JWT_EDDSA}, {"Ed25519", JWT_EDDSA}, {"HS256", JWT_HS256},
};

enum jwt_algorithm jwt_algorithm_named(struct slice name)
{
    for (size_t i = 0; i < sizeof algorithm_names / sizeof algorithm_names[0]; i++) {
        if (slice_equal(name, slice_of(algorithm_names[i].name))) {
            return algorithm_names[i].algorithm;
        }
    }
    return JWT_ALGORITHM_COUNT;
}

bool jwt_algorithms_parse(struct slice list, unsigned *algorithms)
{
    *algorithms = 0;
    do {
        enum jwt_algorithm algorithm = jwt_algorithm_named(slice_trim(slice_cut(&list, ',')));
        if (algorithm == JWT_ALGORITHM_COUNT) {
            return false;
        }
        *algorithms |= BIT(algorithm);
    } while (list.data != NULL);
    return true;
}

/* ---- one key ---- */

static struct slice text_of(const json_t *string)
{
    return slice_make(json_string_value(string), json_string_length(string));
}

static bool member_is(const json_t *jwk, const char *name, const char *value)
{
    const json_t *member = json_object_get(jwk, name);
    return json_is_string(member) && strcmp(json_string_value(member), value) == 0;
}

/* The decoded member, which the caller frees; NULL where it is not base64url, or memory is
 * exhausted. */
static unsigned char *decode(const json_t *jwk, const char *name, size_t *size)
{
    const json_t *member = json_object_get(jwk, name);
    if (!json_is_string(member)) {
        return NULL;
    }
    struct slice text = text_of(member);
    unsigned char *raw = malloc(text.size + 1);
    if (raw != NULL && !base64url_decode(text, raw, text.size, size)) {
        free(raw);
        raw = NULL;
    }
    return raw;
}

static BIGNUM *decode_number(const json_t *jwk, const char *name)
{
    size_t size;
    unsigned char *raw = decode(jwk, name, &size);
    BIGNUM *number = raw == NULL ? NULL : BN_bin2bn(raw, (int)size, NULL);
    free(raw);
    return number;
}

/* So many bytes and no other number of them. */
static bool decode_coordinate(const json_t *jwk, const char *name,
                              unsigned char out[COORDINATE_SIZE_BYTES])
{
    size_t size = 0;
    unsigned char *raw = decode(jwk, name, &size);
    bool right = raw != NULL && size == COORDINATE_SIZE_BYTES;
    if (right) {
        memcpy(out, raw, COORDINATE_SIZE_BYTES);
    }
    free(raw);
    return right;
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM *parameters)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1) {
        key = NULL;
    }
    EVP_PKEY_CTX_free(context);
    return key;
}

/* With an exponent of 1 every signature would be its own message. */
static bool rsa_is_strong(const BIGNUM *n, const BIGNUM *e)
{
    return BN_num_bits(n) >= JWK_RSA_BITS_MIN && BN_num_bits(n) <= JWK_RSA_BITS_MAX &&
           BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= RSA_EXPONENT_BITS_MAX;
}

static EVP_PKEY *parse_rsa(const json_t *jwk)
{
    EVP_PKEY *key = NULL;
    BIGNUM *n = decode_number(jwk, "n"), *e = decode_number(jwk, "e");
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (n != NULL && e != NULL && builder != NULL && rsa_is_strong(n, e) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
        key = parameters == NULL ? NULL : key_from("RSA", parameters);
        OSSL_PARAM_free(parameters);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *parse_p256(const json_t *jwk)
{
    unsigned char point[1 + 2 * COORDINATE_SIZE_BYTES] = {POINT_CONVERSION_UNCOMPRESSED};
    char curve[] = "prime256v1";
    if (!member_is(jwk, "crv", "P-256") || !decode_coordinate(jwk, "x", point + 1) ||
        !decode_coordinate(jwk, "y", point + 1 + COORDINATE_SIZE_BYTES)) {
        return NULL;
    }
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    return key_from("EC", parameters); /* which refuses a point that is not on the curve */
}

static EVP_PKEY *parse_ed25519(const json_t *jwk)
{
    unsigned char x[COORDINATE_SIZE_BYTES];
    if (!member_is(jwk, "crv", "Ed25519") || !decode_coordinate(jwk, "x", x)) {
        return NULL;
    }
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof x);
}

/* A secret is in no set: whoever may read the set could sign. */
static const struct {
    const char *type;
    unsigned algorithms;
    EVP_PKEY *(*parse)(const json_t *jwk);
} key_types[] = {
    {"RSA", BIT(JWT_RS256) | BIT(JWT_PS256), parse_rsa},
    {"EC", BIT(JWT_ES256), parse_p256},
    {"OKP", BIT(JWT_EDDSA), parse_ed25519},
};

/* RFC 7517 sections 4.2 and 4.3: both may be left out. */
static bool is_for_signatures(const json_t *jwk)
{
    const json_t *operations = json_object_get(jwk, "key_ops"), *operation;
    size_t i;
    bool verifies = operations == NULL;
    json_array_foreach(operations, i, operation)
    {
        verifies = verifies || (json_is_string(operation) &&
                                strcmp(json_string_value(operation), "verify") == 0);
    }
    return verifies && (json_object_get(jwk, "use") == NULL || member_is(jwk, "use", "sig"));
}

/* Those of its type, or the one that it names. */
static unsigned algorithms_of(const json_t *jwk, unsigned of_type)
{
    const json_t *name = json_object_get(jwk, "alg");
    if (name == NULL) {
        return of_type;
    }
    enum jwt_algorithm algorithm =
        json_is_string(name) ? jwt_algorithm_named(text_of(name)) : JWT_ALGORITHM_COUNT;
    return algorithm == JWT_ALGORITHM_COUNT ? 0 : of_type & BIT(algorithm);
}

/* False where it is not of use. */
static bool parse_key(const json_t *jwk, struct jwk *key)
{
    const json_t *kid = json_object_get(jwk, "kid");
    *key = (struct jwk){0};
    if (!is_for_signatures(jwk) || (kid != NULL && !json_is_string(kid))) {
        return false;
    }
    for (size_t i = 0; i < sizeof key_types / sizeof key_types[0]; i++) {
        if (member_is(jwk, "kty", key_types[i].type)) {
            key->algorithms = algorithms_of(jwk, key_types[i].algorithms);
            key->public_key = key->algorithms == 0 ? NULL : key_types[i].parse(jwk);
        }
    }
    if (key->public_key != NULL && kid != NULL) {
        key->kid = strdup(json_string_value(kid));
        if (key->kid == NULL) {
            EVP_PKEY_free(key->public_key);
            return false;
        }
    }
    return key->public_key != NULL;
}

/* ---- the set ---- */

static struct jwk_set *set_create(char error[JWK_ERROR_SIZE_BYTES])
{
    struct jwk_set *set = calloc(1, sizeof *set);
    if (set != NULL) {
        set->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    }
    if (set == NULL || set->sha256 == NULL) {
        snprintf(error, JWK_ERROR_SIZE_BYTES, "out of memory");
        jwk_set_destroy(&set);
    }
    return set;
}

void jwk_set_destroy(struct jwk_set **set)
{
    if (*set != NULL) {
        for (size_t i = 0; i < (*set)->count; i++) {
            free((*set)->keys[i].kid);
            EVP_PKEY_free((*set)->keys[i].public_key);
            EVP_MAC_CTX_free((*set)->keys[i].secret);
        }
        EVP_MD_free((*set)->sha256);
        free(*set);
        *set = NULL;
    }
}

size_t jwk_set_count(const struct jwk_set *set)
{
    return set->count;
}

size_t jwk_set_left_out(const struct jwk_set *set)
{
    return set->left_out;
}

static void parse_keys(struct jwk_set *set, const json_t *keys)
{
    const json_t *jwk;
    size_t i;
    json_array_foreach(keys, i, jwk)
    {
        struct jwk *key = &set->keys[set->count];
        if (parse_key(jwk, key)) {
            key->digest = set->sha256;
            set->count++;
        } else {
            set->left_out++;
        }
    }
    ERR_clear_error(); /* what OpenSSL said of keys that it refused */
}

struct jwk_set *jwk_set_parse(struct slice json, char error[JWK_ERROR_SIZE_BYTES])
{
    json_error_t where;
    if (json.size > JWK_SET_SIZE_MAX_BYTES) {
        snprintf(error, JWK_ERROR_SIZE_BYTES, "the key set is larger than %d bytes",
                 JWK_SET_SIZE_MAX_BYTES);
        return NULL;
    }
    json_t *document =
        json_loadb(json.size == 0 ? "" : json.data, json.size, JSON_REJECT_DUPLICATES, &where);
    const json_t *keys = json_object_get(document, "keys");
    struct jwk_set *set = NULL;
    if (document == NULL) {
        snprintf(error, JWK_ERROR_SIZE_BYTES, "the key set is not valid JSON (line %d, column %d)",
                 where.line, where.column);
    } else if (!json_is_array(keys)) {
        snprintf(error, JWK_ERROR_SIZE_BYTES,
                 "the key set must be a JSON object with an array named keys");
    } else if (json_array_size(keys) > JWK_KEYS_MAX) {
        snprintf(error, JWK_ERROR_SIZE_BYTES, "the key set has more than %d keys", JWK_KEYS_MAX);
    } else if ((set = set_create(error)) != NULL) {
        parse_keys(set, keys);
        if (set->count == 0) {
            snprintf(error, JWK_ERROR_SIZE_BYTES,
                     "none of the %zu keys in the set is for signatures and RSA of %d to %d bits, "
                     "P-256 or Ed25519",
                     set->left_out, JWK_RSA_BITS_MIN, JWK_RSA_BITS_MAX);
            jwk_set_destroy(&set);
        }
    }
    json_decref(document);
    return set;
}

struct jwk_set *jwk_set_of_secret(struct slice secret, char error[JWK_ERROR_SIZE_BYTES])
{
    if (secret.size < JWK_SECRET_SIZE_MIN_BYTES) {
        snprintf(error, JWK_ERROR_SIZE_BYTES, "the secret has fewer than %d bytes",
                 JWK_SECRET_SIZE_MIN_BYTES);
        return NULL;
    }
    struct jwk_set *set = set_create(error);
    if (set == NULL) {
        return NULL;
    }
    set->count = 1;
    set->keys[0] = (struct jwk){.algorithms = BIT(JWT_HS256), .secret = mac_context_create(secret)};
    if (set->keys[0].secret == NULL) {
        snprintf(error, JWK_ERROR_SIZE_BYTES, "out of memory");
        jwk_set_destroy(&set);
    }
    return set;
}

unsigned jwk_set_algorithms(const struct jwk_set *set)
{
    unsigned algorithms = 0;
    for (size_t i = 0; i < set->count; i++) {
        algorithms |= set->keys[i].algorithms;
    }
    return algorithms;
}

/* The secret is for all of them. */
static bool has_kid(const struct jwk *key, const char *kid)
{
    return key->secret != NULL || (key->kid != NULL && strcmp(key->kid, kid) == 0);
}

enum jwk_found jwk_set_find(const struct jwk_set *set, enum jwt_algorithm algorithm,
                            const char *kid, const struct jwk **key)
{
    size_t named = 0, fitting = 0;
    for (size_t i = set->count; i-- > 0;) {
        const struct jwk *candidate = &set->keys[i];
        if (kid != NULL && !has_kid(candidate, kid)) {
            continue;
        }
        named++;
        if (candidate->algorithms & BIT(algorithm)) {
            fitting++;
            *key = candidate;
        }
    }
    if (kid == NULL && fitting > 1) {
        return JWK_AMBIGUOUS;
    }
    if (fitting == 0) {
        return kid != NULL && named > 0 ? JWK_MISFIT : JWK_UNKNOWN;
    }
    return JWK_FOUND;
}
