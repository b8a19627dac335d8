/* Tokens: every check, every algorithm, and what attackers are known to try (RFC 8725). */
#include "unit.h"

#include "rsvpd/base/jws.h"
#include "rsvpd/base/jwt.h"

#include "token.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW 1700000000
#define GOOD_CLAIMS "\"sub\":\"u1\",\"exp\":1700000060"
#define ALL_ALGORITHMS ((1u << JWT_ALGORITHM_COUNT) - 1)

static const char secret[] = "a secret that has more than thirty-two bytes";
static const char *const scope_words[] = {"rsvp:read", "rsvp:write", "rsvp:admin"};
static const struct jwt_policy any = {.algorithms = ALL_ALGORITHMS,
                                      .leeway_s = 30,
                                      .scope_words = scope_words,
                                      .scope_count = LENGTH(scope_words)};

/* One key of each type, and the sets that the service has of them. */
static struct token_key *rsa, *ec, *ed25519, *hmac;
static struct jwk_set *public_keys, *secret_keys;

static struct jwk_set *parse(const char *json)
{
    char error[JWK_ERROR_SIZE_BYTES] = "";
    struct jwk_set *set = jwk_set_parse(slice_of(json), error);
    assert_string_equal(error, "");
    assert_non_null(set);
    return set;
}

static int make_keys(NO_STATE)
{
    char error[JWK_ERROR_SIZE_BYTES];
    rsa = token_key_create(TOKEN_RSA, "r");
    ec = token_key_create(TOKEN_EC, "e");
    ed25519 = token_key_create(TOKEN_ED25519, "o");
    hmac = token_key_of_secret(secret, strlen(secret));
    char *json = token_key_set((const struct token_key *[]){rsa, ec, ed25519}, 3);
    public_keys = parse(json);
    secret_keys = jwk_set_of_secret(slice_of(secret), error);
    free(json);
    return secret_keys == NULL;
}

static int destroy_keys(NO_STATE)
{
    jwk_set_destroy(&public_keys);
    jwk_set_destroy(&secret_keys);
    token_key_destroy(&rsa);
    token_key_destroy(&ec);
    token_key_destroy(&ed25519);
    token_key_destroy(&hmac);
    return 0;
}

/* ---- expectations ---- */

static void expect_with(const char *name, const struct jwk_set *keys,
                        const struct jwt_policy *policy, const char *token, enum jwt_fault expected)
{
    struct jwt_claims claims;
    /* In memory of just its size, so that reading past its end is found. */
    char *bytes = malloc(strlen(token) + 1);
    assert_non_null(bytes);
    memcpy(bytes, token, strlen(token));
    enum jwt_fault fault = jwt_check(keys, policy, slice_make(bytes, strlen(token)), NOW, &claims);
    if (fault != expected) {
        fail_msg("%s: %s", name, fault == JWT_GOOD ? "accepted" : jwt_fault_text(fault));
    }
    free(bytes);
}

static void expect(const char *name, const char *token, enum jwt_fault expected)
{
    expect_with(name, public_keys, &any, token, expected);
}

/* Signed well by the RSA key. */
static void expect_header(const char *header, enum jwt_fault expected)
{
    char *token = token_sign(rsa, "RS256", header, "{" GOOD_CLAIMS "}");
    expect(header, token, expected);
    free(token);
}

static void expect_payload(const struct jwt_policy *policy, const char *payload,
                           enum jwt_fault expected)
{
    char *token = token_make(hmac, "HS256", payload);
    expect_with(payload, secret_keys, policy, token, expected);
    free(token);
}

/* The claims of a good token. */
static struct jwt_claims claims_of(const char *payload)
{
    struct jwt_claims claims;
    char *token = token_make(hmac, "HS256", payload);
    assert_int_equal(jwt_check(secret_keys, &any, slice_of(token), NOW, &claims), JWT_GOOD);
    free(token);
    return claims;
}

/* ---- the standards' own tokens ---- */

/* RFC 7515, appendices A.1 to A.3; RFC 8037, appendix A.4. None of them names a subject, and the
 * last one's payload is no JSON: to come so far, the signature must be good. */
static void test_tokens_of_the_standards(NO_STATE)
{
    static const struct {
        const char *name, *key, *header, *payload, *signature;
        enum jwt_fault fault;
    } cases[] = {
        {"RFC 7515 A.2",
         "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26"
         "mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ4"
         "7soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtd"
         "VMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2"
         "PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}",
         "eyJhbGciOiJSUzI1NiJ9",
         "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c"
         "nVlfQ",
         "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2"
         "Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjt"
         "QBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6"
         "IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
         JWT_NO_SUBJECT},
        {"RFC 7515 A.3",
         "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
         "\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uP"
         "HvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
         "eyJhbGciOiJFUzI1NiJ9",
         "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c"
         "nVlfQ",
         "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
         JWT_NO_SUBJECT},
        {"RFC 8037 A.4",
         "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"
         "7TyWQHOg7hcvPapiMlrw"
         "IaaPcHURo\"}]}",
         "eyJhbGciOiJFZERTQSJ9", "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
         "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
         JWT_BAD_PAYLOAD},
        {"RFC 7515 A.1", NULL, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
         "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c"
         "nVlfQ",
         "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", JWT_NO_SUBJECT},
    };
    static const unsigned char hmac_key[] = {
        0x03, 0x23, 0x35, 0x4b, 0x2b, 0x0f, 0xa5, 0xbc, 0x83, 0x7e, 0x06, 0x65, 0x77,
        0x7b, 0xa6, 0x8f, 0x5a, 0xb3, 0x28, 0xe6, 0xf0, 0x54, 0xc9, 0x28, 0xa9, 0x0f,
        0x84, 0xb2, 0xd2, 0x50, 0x2e, 0xbf, 0xd3, 0xfb, 0x5a, 0x92, 0xd2, 0x06, 0x47,
        0xef, 0x96, 0x8a, 0xb4, 0xc3, 0x77, 0x62, 0x3d, 0x22, 0x3d, 0x2e, 0x21, 0x72,
        0x05, 0x2e, 0x4f, 0x08, 0xc0, 0xcd, 0x9a, 0xf5, 0x67, 0xd0, 0x80, 0xa3};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char error[JWK_ERROR_SIZE_BYTES], *token;
        struct jwt_claims claims;
        struct jwk_set *keys =
            cases[i].key == NULL
                ? jwk_set_of_secret(slice_make((const char *)hmac_key, sizeof hmac_key), error)
                : parse(cases[i].key);
        assert_true(asprintf(&token, "%s.%s.%s", cases[i].header, cases[i].payload,
                             cases[i].signature) > 0);
        enum jwt_fault fault = jwt_check(keys, &any, slice_of(token), 1300819379, &claims);
        if (fault != cases[i].fault) {
            fail_msg("%s: %s", cases[i].name, jwt_fault_text(fault));
        }
        assert_int_equal(jwt_check(keys, &any, slice_of(token), 1300819379 + 60, &claims),
                         cases[i].fault == JWT_NO_SUBJECT ? JWT_EXPIRED : cases[i].fault);
        token[strlen(cases[i].header) + 2]++; /* in the payload */
        expect_with(cases[i].name, keys, &any, token, JWT_BAD_SIGNATURE);
        free(token);
        jwk_set_destroy(&keys);
    }
}

/* ---- algorithms and keys ---- */

static void test_every_algorithm(NO_STATE)
{
    const struct {
        const char *algorithm, *name;
        const struct token_key *key;
        const struct jwk_set *keys;
    } cases[] = {
        {"RS256", "RS256", rsa, public_keys},       {"PS256", "PS256", rsa, public_keys},
        {"ES256", "ES256", ec, public_keys},        {"EdDSA", "EdDSA", ed25519, public_keys},
        {"EdDSA", "Ed25519", ed25519, public_keys}, {"HS256", "HS256", hmac, secret_keys},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char header[64];
        snprintf(header, sizeof header, "{\"alg\":\"%s\"}", cases[i].name);
        char *token = token_sign(cases[i].key, cases[i].algorithm, header, "{" GOOD_CLAIMS "}");
        expect_with(header, cases[i].keys, &any, token, JWT_GOOD);
        struct jwt_policy others = any;
        others.algorithms &= ~(1u << jwt_algorithm_named(slice_of(cases[i].name)));
        expect_with(header, cases[i].keys, &others, token, JWT_BAD_ALGORITHM);
        free(token);
    }
}

/* Every bit of a signature counts, and so does every length of it. */
static void test_every_bit_of_a_signature(NO_STATE)
{
    const struct {
        const char *algorithm;
        const struct token_key *key;
        const struct jwk_set *keys;
    } cases[] = {{"RS256", rsa, public_keys},
                 {"PS256", rsa, public_keys},
                 {"ES256", ec, public_keys},
                 {"EdDSA", ed25519, public_keys},
                 {"HS256", hmac, secret_keys}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        enum jwt_algorithm algorithm = jwt_algorithm_named(slice_of(cases[i].algorithm));
        const struct jwk *key;
        size_t size;
        unsigned char *signature =
            token_signature(cases[i].key, cases[i].algorithm, "message", &size);
        enum jwk_found found = jwk_set_find(cases[i].keys, algorithm, NULL, &key);
        assert_int_equal(found, JWK_FOUND);
        assert_true(jws_verify(key, algorithm, slice_of("message"), signature, size));
        assert_false(jws_verify(key, algorithm, slice_of("messagf"), signature, size));
        for (size_t bit = 0; bit<8 * size; bit += size> 64 ? 13 : 1) {
            signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
            assert_false(jws_verify(key, algorithm, slice_of("message"), signature, size));
            signature[bit / 8] ^= (unsigned char)(1 << bit % 8);
        }
        signature[size] = 0; /* it has room for more */
        assert_false(jws_verify(key, algorithm, slice_of("message"), signature, size + 1));
        assert_false(jws_verify(key, algorithm, slice_of("message"), signature, size - 1));
        assert_false(jws_verify(key, algorithm, slice_of("message"), signature, size / 2));
        assert_false(jws_verify(key, algorithm, slice_of("message"), signature, 0));
        memset(signature, 0, size);
        assert_false(jws_verify(key, algorithm, slice_of("message"), signature, size));
        memset(signature, 0xff, size);
        assert_false(jws_verify(key, algorithm, slice_of("message"), signature, size));
        free(signature);
    }
}

static void expect_of_key(const char *name, const struct token_key *key, const char *algorithm,
                          const char *header, enum jwt_fault expected)
{
    char *token = token_sign(key, algorithm, header, "{" GOOD_CLAIMS "}");
    expect(name, token, expected);
    free(token);
}

static void test_a_key_of_another_type(NO_STATE)
{
    expect_of_key("RS256 by the EC key", ec, "ES256", "{\"alg\":\"RS256\",\"kid\":\"e\"}",
                  JWT_KEY_MISFIT);
    expect_of_key("ES256 by the RSA key", rsa, "RS256", "{\"alg\":\"ES256\",\"kid\":\"r\"}",
                  JWT_KEY_MISFIT);
    expect_of_key("EdDSA by the EC key", ec, "ES256", "{\"alg\":\"EdDSA\",\"kid\":\"e\"}",
                  JWT_KEY_MISFIT);
    expect_of_key("ES256 by the Ed25519 key", ed25519, "EdDSA", "{\"alg\":\"ES256\",\"kid\":\"o\"}",
                  JWT_KEY_MISFIT);
    expect_of_key("RS256 that is PS256", rsa, "PS256", "{\"alg\":\"RS256\",\"kid\":\"r\"}",
                  JWT_BAD_SIGNATURE);
    expect_of_key("PS256 that is RS256", rsa, "RS256", "{\"alg\":\"PS256\",\"kid\":\"r\"}",
                  JWT_BAD_SIGNATURE);
    expect_of_key("ES256, and no kid, by the RSA key", rsa, "RS256", "{\"alg\":\"ES256\"}",
                  JWT_BAD_SIGNATURE);
}

/* The public key, which everybody knows, as an HMAC's secret. */
static void test_a_public_key_is_no_secret(NO_STATE)
{
    const struct token_key *const keys[] = {rsa, ec, ed25519};
    static const char *const kids[] = {"r", "e", "o"};
    for (size_t i = 0; i < LENGTH(keys); i++) {
        char header[64], *pem = token_key_pem(keys[i]);
        json_t *jwk = token_key_jwk(keys[i]);
        char *json = json_dumps(jwk, JSON_COMPACT);
        const char *const guesses[] = {pem, json, json_string_value(json_object_get(jwk, "n")),
                                       json_string_value(json_object_get(jwk, "x")), ""};
        snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", kids[i]);
        for (size_t j = 0; j < LENGTH(guesses); j++) {
            if (guesses[j] != NULL) {
                struct token_key *guess = token_key_of_secret(guesses[j], strlen(guesses[j]));
                expect_of_key("confused", guess, "HS256", header, JWT_KEY_MISFIT);
                expect_of_key("confused", guess, "HS256", "{\"alg\":\"HS256\"}", JWT_UNKNOWN_KEY);
                expect_of_key("confused", guess, "HS256", "{\"alg\":\"RS256\",\"kid\":\"r\"}",
                              JWT_BAD_SIGNATURE);
                token_key_destroy(&guess);
            }
        }
        free(json);
        json_decref(jwk);
        free(pem);
    }
}

static void test_none_in_all_cases(NO_STATE)
{
    for (unsigned cases = 0; cases < 16; cases++) {
        char name[] = "none", header[64];
        for (size_t i = 0; i < 4; i++) {
            name[i] = (char)(cases >> i & 1 ? toupper(name[i]) : name[i]);
        }
        snprintf(header, sizeof header, "{\"alg\":\"%s\"}", name);
        char *empty = token_join(header, "{" GOOD_CLAIMS "}", "", 0);
        expect(header, empty, JWT_BAD_ALGORITHM);
        expect_with(header, secret_keys, &any, empty, JWT_BAD_ALGORITHM);
        free(empty);
        expect_header(header, JWT_BAD_ALGORITHM);
    }
}

static void test_other_algorithms(NO_STATE)
{
    static const char *const names[] = {
        "\"\"",       "\"rs256\"", "\"RS256 \"",   "\"RS384\"",   "\"RS512\"", "\"ES384\"",
        "\"ES256K\"", "\"HS384\"", "\"RSA-OAEP\"", "\"dir\"",     "\"Ed448\"", "\"RS256\\u0000\"",
        "null",       "17",        "true",         "[\"RS256\"]", "{}"};
    for (size_t i = 0; i < LENGTH(names); i++) {
        char header[64];
        snprintf(header, sizeof header, "{\"alg\":%s,\"kid\":\"r\"}", names[i]);
        expect_header(header, strstr(names[i], "u0000") ? JWT_MALFORMED : JWT_BAD_ALGORITHM);
    }
    expect_header("{\"kid\":\"r\"}", JWT_BAD_ALGORITHM);
}

static void test_signatures_of_no_use(NO_STATE)
{
    static const unsigned char zeros[256];
    static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"e\"}";
    static const unsigned char order[64] = {
        0xff, 0xff, 0xff, 0xff, 0,    0,    0,    0,    0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9,
        0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51, 0xff, 0xff, 0xff, 0xff, 0,    0,    0,
        0,    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad,
        0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
    /* r and s of 1 in DER. */
    static const unsigned char der[] = {0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01};
    const struct {
        const void *bytes;
        size_t size;
    } signatures[] = {{"", 0},     {zeros, 1},   {zeros, 32},  {zeros, 63}, {zeros, 64},
                      {zeros, 65}, {zeros, 128}, {zeros, 256}, {order, 64}, {der, sizeof der}};
    for (size_t i = 0; i < LENGTH(signatures); i++) {
        char *token =
            token_join(header, "{" GOOD_CLAIMS "}", signatures[i].bytes, signatures[i].size);
        expect("of no use", token, JWT_BAD_SIGNATURE);
        free(token);
    }
}

/* The right signature in the form that RFC 7518 section 3.4 does not want. */
static void test_a_signature_in_der(NO_STATE)
{
    static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"e\"}";
    char *token = token_sign(ec, "ES256", header, "{" GOOD_CLAIMS "}");
    expect("raw", token, JWT_GOOD);
    size_t size;
    char *message = strndup(token, (size_t)(strrchr(token, '.') - token));
    unsigned char der[72], *at = der;
    unsigned char *raw = token_signature(ec, "ES256", message, &size);
    assert_int_equal(size, 64);
    *at++ = 0x30;
    unsigned char *length = at++;
    for (size_t i = 0; i < 2; i++) {
        bool high = raw[32 * i] >= 0x80;
        *at++ = 0x02;
        *at++ = high ? 33 : 32;
        *at = 0;
        at += high;
        memcpy(at, raw + 32 * i, 32);
        at += 32;
    }
    *length = (unsigned char)(at - length - 1);
    char *in_der = token_join(header, "{" GOOD_CLAIMS "}", der, (size_t)(at - der));
    expect("DER", in_der, JWT_BAD_SIGNATURE);
    free(in_der);
    free(raw);
    free(message);
    free(token);
}

static void test_another_key_of_the_same_name(NO_STATE)
{
    struct token_key *strangers = token_key_create(TOKEN_RSA, "r");
    struct token_key *unknown = token_key_create(TOKEN_RSA, "x");
    expect_of_key("a stranger's", strangers, "RS256", "{\"alg\":\"RS256\",\"kid\":\"r\"}",
                  JWT_BAD_SIGNATURE);
    expect_of_key("unknown", unknown, "RS256", "{\"alg\":\"RS256\",\"kid\":\"x\"}",
                  JWT_UNKNOWN_KEY);
    /* Keys that the token brings itself are not looked at. */
    json_t *jwk = token_key_jwk(strangers);
    json_t *header =
        json_pack("{s:s,s:O,s:s,s:s,s:[s]}", "alg", "RS256", "jwk", jwk, "jku",
                  "https://example.org/keys", "x5u", "https://example.org/x", "x5c", "AAAA");
    char *text = json_dumps(header, 0);
    expect_of_key("its own", strangers, "RS256", text, JWT_BAD_SIGNATURE);
    free(text);
    json_decref(header);
    json_decref(jwk);
    token_key_destroy(&strangers);
    token_key_destroy(&unknown);
}

static void test_no_kid_and_several_keys(NO_STATE)
{
    struct token_key *second = token_key_create(TOKEN_RSA, "r2");
    char *json = token_key_set((const struct token_key *[]){rsa, second, ec}, 3);
    struct jwk_set *keys = parse(json);
    char *token = token_sign(rsa, "RS256", "{\"alg\":\"RS256\"}", "{" GOOD_CLAIMS "}");
    expect_with("RS256", keys, &any, token, JWT_AMBIGUOUS_KEY);
    expect("the only one", token, JWT_GOOD);
    free(token);
    free(json);
    jwk_set_destroy(&keys);
    token_key_destroy(&second);
}

/* ---- the form ---- */

static void test_headers(NO_STATE)
{
    static const struct {
        const char *header;
        enum jwt_fault fault;
    } cases[] = {
        {"{\"alg\":\"RS256\"}", JWT_GOOD},
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\"}", JWT_GOOD},
        {"{\"alg\":\"RS256\",\"typ\":\"jwt\"}", JWT_GOOD},
        {"{\"alg\":\"RS256\",\"typ\":\"at+jwt\"}", JWT_GOOD},
        {"{\"alg\":\"RS256\",\"typ\":\"AT+JWT\"}", JWT_GOOD},
        {"{\"alg\":\"RS256\",\"typ\":\"application/at+jwt\"}", JWT_GOOD},
        {"{\"alg\":\"RS256\",\"typ\":\"application/jwt\"}", JWT_GOOD},
        {"{\"alg\":\"RS256\",\"typ\":\"dpop+jwt\"}", JWT_WRONG_TYPE},
        {"{\"alg\":\"RS256\",\"typ\":\"logout+jwt\"}", JWT_WRONG_TYPE},
        {"{\"alg\":\"RS256\",\"typ\":\"\"}", JWT_WRONG_TYPE},
        {"{\"alg\":\"RS256\",\"typ\":\"JWTx\"}", JWT_WRONG_TYPE},
        {"{\"alg\":\"RS256\",\"typ\":null}", JWT_WRONG_TYPE},
        {"{\"alg\":\"RS256\",\"typ\":[\"JWT\"]}", JWT_WRONG_TYPE},
        {"{\"alg\":\"RS256\",\"crit\":[\"exp\"]}", JWT_NOT_UNDERSTOOD},
        {"{\"alg\":\"RS256\",\"crit\":[]}", JWT_NOT_UNDERSTOOD},
        {"{\"alg\":\"RS256\",\"crit\":null}", JWT_NOT_UNDERSTOOD},
        {"{\"alg\":\"RS256\",\"b64\":false,\"crit\":[\"b64\"]}", JWT_NOT_UNDERSTOOD},
        {"{\"alg\":\"RS256\",\"b64\":true}", JWT_NOT_UNDERSTOOD},
        {"{\"alg\":\"RS256\",\"zip\":\"DEF\"}", JWT_NOT_UNDERSTOOD},
        {"{\"alg\":\"RS256\",\"enc\":\"A128GCM\"}", JWT_NOT_UNDERSTOOD},
        {"{\"alg\":\"RS256\",\"cty\":\"JWT\"}", JWT_NESTED},
        {"{\"alg\":\"RS256\",\"cty\":\"jwt\"}", JWT_NESTED},
        {"{\"alg\":\"RS256\",\"kid\":17}", JWT_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":null}", JWT_MALFORMED},
        {"{\"alg\":\"RS256\",\"kid\":\"../../../dev/null\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"kid\":\"' OR 1=1\"}", JWT_UNKNOWN_KEY},
        {"{\"alg\":\"RS256\",\"alg\":\"RS256\"}", JWT_MALFORMED},
        {"{\"alg\":\"none\",\"alg\":\"RS256\"}", JWT_MALFORMED},
        {"{\"alg\":\"RS256\",\"x\":{\"y\":[1,{\"z\":1e300}]}}", JWT_GOOD},
        {"{\"alg\":\"RS256\"} ", JWT_GOOD},
        {"{\"alg\":\"RS256\"}x", JWT_MALFORMED},
        {"{\"alg\":\"RS256\"}{}", JWT_MALFORMED},
        {"{\"alg\":\"RS256\",}", JWT_MALFORMED},
        {"{'alg':'RS256'}", JWT_MALFORMED},
        {"{\"alg\":\"RS256\",\"x\":\"\xff\"}", JWT_MALFORMED},
        {"{\"alg\":\"RS256\",\"x\":1e999}", JWT_MALFORMED},
        {"\xef\xbb\xbf{\"alg\":\"RS256\"}", JWT_MALFORMED},
        {"[\"RS256\"]", JWT_MALFORMED},
        {"\"RS256\"", JWT_MALFORMED},
        {"null", JWT_MALFORMED},
        {" ", JWT_MALFORMED},
        {"", JWT_MALFORMED},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_header(cases[i].header, cases[i].fault);
    }
}

static void test_what_is_no_token(NO_STATE)
{
    static const char *const malformed[] = {
        "",         ".",         "..",       "...",           "x",
        "x.y",      "x.y.z",     "....x",    ".....",         "e30.e30",
        "e30.e30.", "e30.e30.x", "e30..e30", ".e30.e30",      "e30.e30.e30.e30",
        "Bearer",   "null",      "{}",       "e30\n.e30.e30", " e30.e30.e30",
    };
    for (size_t i = 0; i < LENGTH(malformed); i++) {
        struct jwt_claims claims;
        enum jwt_fault fault = jwt_check(public_keys, &any, slice_of(malformed[i]), NOW, &claims);
        assert_true(fault == JWT_MALFORMED || fault == JWT_BAD_ALGORITHM || fault == JWT_ENCRYPTED);
    }
    expect("five parts", "eyJhbGciOiJkaXIifQ..aaaa.bbbb.cccc", JWT_ENCRYPTED);
    expect("no part", "", JWT_MALFORMED);
    expect("empty header", ".e30.AAAA", JWT_MALFORMED);
}

/* The same bytes in another spelling, at every place: blanks, padding, the other alphabet, bits
 * behind the last byte. */
static void test_strict_base64url(NO_STATE)
{
    static const char *const added[] = {"=",    "==", " ", "\n",  "\t",
                                        "\r\n", "+",  "/", "%2E", "\x80"};
    char *token = token_sign(ec, "ES256", "{\"alg\":\"ES256\"}", "{" GOOD_CLAIMS "}");
    expect("as it is", token, JWT_GOOD);
    size_t size = strlen(token);
    for (size_t i = 0; i < LENGTH(added); i++) {
        for (size_t at = 0; at <= size; at += at < size && size - at < 7 ? size - at : 7) {
            char *changed;
            struct jwt_claims claims;
            assert_true(asprintf(&changed, "%.*s%s%s", (int)at, token, added[i], token + at) > 0);
            enum jwt_fault fault = jwt_check(public_keys, &any, slice_of(changed), NOW, &claims);
            assert_true(fault == JWT_MALFORMED || fault == JWT_BAD_SIGNATURE);
            free(changed);
            if (at == size) {
                break;
            }
        }
    }
    /* 64 bytes leave four bits in the last character, which must be 0: A, Q, g or w. */
    assert_non_null(strchr("AQgw", token[size - 1]));
    token[size - 1]++;
    expect("bits behind the end", token, JWT_MALFORMED);
    free(token);
}

/* A good token of that many bytes, by a claim that nobody reads. */
static char *token_of_size(size_t size)
{
    for (size_t filling = size * 3 / 4 - 400;; filling++) {
        char *payload, *filler = calloc(1, filling + 1);
        assert_non_null(filler);
        memset(filler, 'x', filling);
        assert_true(asprintf(&payload, "{" GOOD_CLAIMS ",\"x\":\"%s\"}", filler) > 0);
        char *token = token_make(hmac, "HS256", payload);
        free(payload);
        free(filler);
        if (strlen(token) == size) {
            return token;
        }
        assert_true(strlen(token) < size);
        free(token);
    }
}

static void test_the_largest_token(NO_STATE)
{
    /* One size in four cannot be made by that header: base64url has no such length. */
    char *largest = token_of_size(JWT_SIZE_MAX_BYTES);
    expect_with("8 KiB", secret_keys, &any, largest, JWT_GOOD);
    free(largest);
    char *longer = calloc(1, JWT_SIZE_MAX_BYTES + 2);
    assert_non_null(longer);
    memset(longer, 'A', JWT_SIZE_MAX_BYTES + 1);
    expect("8 KiB and a byte", longer, JWT_TOO_LARGE);
    free(longer);
}

static void test_deep_nesting(NO_STATE)
{
    char deep[5000], *payload;
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    expect_header(deep, JWT_MALFORMED);
    assert_true(asprintf(&payload, "{" GOOD_CLAIMS ",\"x\":%s", deep) > 0);
    expect_payload(&any, payload, JWT_BAD_PAYLOAD);
    free(payload);
    expect_payload(&any, "{" GOOD_CLAIMS ",\"realm_access\":{\"roles\":[\"a\",{\"b\":[[]]}]}}",
                   JWT_GOOD);
}

/* ---- claims ---- */

static void test_payloads(NO_STATE)
{
    static const struct {
        const char *payload;
        enum jwt_fault fault;
    } cases[] = {
        {"{" GOOD_CLAIMS "}", JWT_GOOD},
        {"", JWT_BAD_PAYLOAD},
        {"null", JWT_BAD_PAYLOAD},
        {"[{" GOOD_CLAIMS "}]", JWT_BAD_PAYLOAD},
        {"{" GOOD_CLAIMS "}}", JWT_BAD_PAYLOAD},
        {"{" GOOD_CLAIMS ",}", JWT_BAD_PAYLOAD},
        {"{" GOOD_CLAIMS ",\"sub\":\"u2\"}", JWT_BAD_PAYLOAD},
        {"{" GOOD_CLAIMS ",\"exp\":1700000060}", JWT_BAD_PAYLOAD},
        {"{" GOOD_CLAIMS ",\"x\":{\"y\":1,\"y\":2}}", JWT_BAD_PAYLOAD},
        {"{" GOOD_CLAIMS ",\"x\":\"\xc3\"}", JWT_BAD_PAYLOAD},
        {"{" GOOD_CLAIMS ",\"x\":NaN}", JWT_BAD_PAYLOAD},
        {"{\"exp\":1700000060}", JWT_NO_SUBJECT},
        {"{\"sub\":null,\"exp\":1700000060}", JWT_BAD_SUBJECT},
        {"{\"sub\":17,\"exp\":1700000060}", JWT_BAD_SUBJECT},
        {"{\"sub\":[\"u1\"],\"exp\":1700000060}", JWT_BAD_SUBJECT},
        {"{\"sub\":\"\",\"exp\":1700000060}", JWT_BAD_SUBJECT},
        {"{\"sub\":\"u\\u0000\",\"exp\":1700000060}", JWT_BAD_PAYLOAD},
        /* times: now is 1700000000, and clocks may differ by 30 s */
        {"{\"sub\":\"u1\"}", JWT_NO_EXPIRY},
        {"{\"sub\":\"u1\",\"exp\":null}", JWT_BAD_TIME},
        {"{\"sub\":\"u1\",\"exp\":\"1700000060\"}", JWT_BAD_TIME},
        {"{\"sub\":\"u1\",\"exp\":true}", JWT_BAD_TIME},
        {"{\"sub\":\"u1\",\"exp\":[1700000060]}", JWT_BAD_TIME},
        {"{\"sub\":\"u1\",\"exp\":1699999971}", JWT_GOOD},
        {"{\"sub\":\"u1\",\"exp\":1699999970.5}", JWT_GOOD},
        {"{\"sub\":\"u1\",\"exp\":1699999970}", JWT_EXPIRED},
        {"{\"sub\":\"u1\",\"exp\":1699999969.9}", JWT_EXPIRED},
        {"{\"sub\":\"u1\",\"exp\":0}", JWT_EXPIRED},
        {"{\"sub\":\"u1\",\"exp\":-1}", JWT_EXPIRED},
        {"{\"sub\":\"u1\",\"exp\":-0.0}", JWT_EXPIRED},
        {"{\"sub\":\"u1\",\"exp\":-1e300}", JWT_EXPIRED},
        {"{\"sub\":\"u1\",\"exp\":-9223372036854775809}", JWT_EXPIRED},
        {"{\"sub\":\"u1\",\"exp\":1e-300}", JWT_EXPIRED},
        {"{\"sub\":\"u1\",\"exp\":1.70000006e9}", JWT_GOOD},
        {"{\"sub\":\"u1\",\"exp\":9223372036854775807}", JWT_GOOD},
        {"{\"sub\":\"u1\",\"exp\":18446744073709551616}", JWT_GOOD},
        {"{\"sub\":\"u1\",\"exp\":1e300}", JWT_GOOD},
        {"{\"sub\":\"u1\",\"exp\":1e999}", JWT_BAD_PAYLOAD},
        {"{\"sub\":\"u1\",\"exp\":0x7fffffff}", JWT_BAD_PAYLOAD},
        {"{" GOOD_CLAIMS ",\"nbf\":1700000030}", JWT_GOOD},
        {"{" GOOD_CLAIMS ",\"nbf\":1700000030.5}", JWT_NOT_YET_GOOD},
        {"{" GOOD_CLAIMS ",\"nbf\":1700000031}", JWT_NOT_YET_GOOD},
        {"{" GOOD_CLAIMS ",\"nbf\":9223372036854775807}", JWT_NOT_YET_GOOD},
        {"{" GOOD_CLAIMS ",\"nbf\":1e300}", JWT_NOT_YET_GOOD},
        {"{" GOOD_CLAIMS ",\"nbf\":-1e300}", JWT_GOOD},
        {"{" GOOD_CLAIMS ",\"nbf\":\"0\"}", JWT_BAD_TIME},
        {"{" GOOD_CLAIMS ",\"nbf\":null}", JWT_BAD_TIME},
        {"{" GOOD_CLAIMS ",\"iat\":1700000030}", JWT_GOOD},
        {"{" GOOD_CLAIMS ",\"iat\":1700000031}", JWT_ISSUED_LATER},
        {"{" GOOD_CLAIMS ",\"iat\":1e300}", JWT_ISSUED_LATER},
        {"{" GOOD_CLAIMS ",\"iat\":false}", JWT_BAD_TIME},
        /* no issuer and no audience are configured, but they must be what they should be */
        {"{" GOOD_CLAIMS ",\"iss\":\"anybody\",\"aud\":[\"a\",\"b\"]}", JWT_GOOD},
        {"{" GOOD_CLAIMS ",\"aud\":[]}", JWT_GOOD},
        {"{" GOOD_CLAIMS ",\"iss\":17}", JWT_WRONG_ISSUER},
        {"{" GOOD_CLAIMS ",\"aud\":17}", JWT_WRONG_AUDIENCE},
        {"{" GOOD_CLAIMS ",\"aud\":[17]}", JWT_WRONG_AUDIENCE},
        /* scopes */
        {"{" GOOD_CLAIMS ",\"scope\":17}", JWT_BAD_SCOPE},
        {"{" GOOD_CLAIMS ",\"scope\":{\"rsvp:admin\":true}}", JWT_BAD_SCOPE},
        {"{" GOOD_CLAIMS ",\"scp\":[17]}", JWT_BAD_SCOPE},
        {"{" GOOD_CLAIMS ",\"scp\":[[\"rsvp:admin\"]]}", JWT_BAD_SCOPE},
        {"{" GOOD_CLAIMS ",\"scp\":null}", JWT_BAD_SCOPE},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_payload(&any, cases[i].payload, cases[i].fault);
    }
}

static void test_issuer_and_audience(NO_STATE)
{
    static const struct {
        const char *claims;
        enum jwt_fault fault;
    } cases[] = {
        {"\"iss\":\"https://id.example\",\"aud\":\"rsvpd\"", JWT_GOOD},
        {"\"iss\":\"https://id.example\",\"aud\":[\"rsvpd\"]", JWT_GOOD},
        {"\"iss\":\"https://id.example\",\"aud\":[\"other\",\"rsvpd\"]", JWT_GOOD},
        {"\"iss\":\"https://id.example/\",\"aud\":\"rsvpd\"", JWT_WRONG_ISSUER},
        {"\"iss\":\"HTTPS://ID.EXAMPLE\",\"aud\":\"rsvpd\"", JWT_WRONG_ISSUER},
        {"\"iss\":\"\",\"aud\":\"rsvpd\"", JWT_WRONG_ISSUER},
        {"\"iss\":[\"https://id.example\"],\"aud\":\"rsvpd\"", JWT_WRONG_ISSUER},
        {"\"iss\":null,\"aud\":\"rsvpd\"", JWT_WRONG_ISSUER},
        {"\"aud\":\"rsvpd\"", JWT_WRONG_ISSUER},
        {"\"iss\":\"https://id.example\"", JWT_WRONG_AUDIENCE},
        {"\"iss\":\"https://id.example\",\"aud\":null", JWT_WRONG_AUDIENCE},
        {"\"iss\":\"https://id.example\",\"aud\":\"rsvpd \"", JWT_WRONG_AUDIENCE},
        {"\"iss\":\"https://id.example\",\"aud\":\"rsvp\"", JWT_WRONG_AUDIENCE},
        {"\"iss\":\"https://id.example\",\"aud\":\"a rsvpd\"", JWT_WRONG_AUDIENCE},
        {"\"iss\":\"https://id.example\",\"aud\":[]", JWT_WRONG_AUDIENCE},
        {"\"iss\":\"https://id.example\",\"aud\":[[\"rsvpd\"]]", JWT_WRONG_AUDIENCE},
        {"\"iss\":\"https://id.example\",\"aud\":[\"rsvpd\",17]", JWT_WRONG_AUDIENCE},
        {"\"iss\":\"https://id.example\",\"aud\":{\"rsvpd\":1}", JWT_WRONG_AUDIENCE},
    };
    struct jwt_policy ours = any;
    ours.issuer = "https://id.example";
    ours.audience = "rsvpd";
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char payload[256];
        snprintf(payload, sizeof payload, "{" GOOD_CLAIMS ",%s}", cases[i].claims);
        expect_payload(&ours, payload, cases[i].fault);
    }
}

static void test_scopes(NO_STATE)
{
    static const struct {
        const char *claims;
        unsigned scopes;
    } cases[] = {
        {"\"x\":1", 0},
        {"\"scope\":\"\"", 0},
        {"\"scope\":\"rsvp:read\"", 1},
        {"\"scope\":\"openid rsvp:write  profile rsvp:read \"", 3},
        {"\"scope\":\" rsvp:admin\"", 4},
        {"\"scope\":\"rsvp:adminx xrsvp:read rsvp:\"", 0},
        {"\"scope\":\"RSVP:READ\"", 0},
        {"\"scope\":\"rsvp:read,rsvp:write\"", 0},
        {"\"scope\":\"rsvp:read\\trsvp:write\"", 0},
        {"\"scp\":[\"rsvp:read\",\"other\",\"rsvp:admin\"]", 5},
        {"\"scp\":[\"rsvp:read rsvp:write\"]", 0},
        {"\"scp\":[]", 0},
        {"\"scp\":\"rsvp:read rsvp:write\"", 3},
        {"\"scope\":[\"rsvp:write\"]", 2},
        {"\"scope\":\"rsvp:read\",\"scp\":[\"rsvp:admin\"]", 5},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char payload[256];
        snprintf(payload, sizeof payload, "{" GOOD_CLAIMS ",%s}", cases[i].claims);
        struct jwt_claims claims = claims_of(payload);
        if (claims.scopes != cases[i].scopes) {
            fail_msg("%s: %u", cases[i].claims, claims.scopes);
        }
    }
}

static void test_what_the_claims_say(NO_STATE)
{
    char payload[512], subject[JWT_SUBJECT_SIZE_BYTES + 2];
    struct jwt_claims claims = claims_of("{\"sub\":\"ren\xc3\xa9\",\"exp\":1700000060}");
    unit_expect_text("subject", slice_make(claims.subject, claims.subject_size), "ren\xc3\xa9");
    assert_int_equal(claims.good_until_s, 1700000090);
    assert_int_equal(claims_of("{\"sub\":\"u\",\"exp\":1700000060.2}").good_until_s, 1700000091);
    assert_true(claims_of("{\"sub\":\"u\",\"exp\":1e300}").good_until_s > NOW);
    memset(subject, 'u', sizeof subject);
    subject[JWT_SUBJECT_SIZE_BYTES] = '\0';
    snprintf(payload, sizeof payload, "{\"sub\":\"%s\",\"exp\":1700000060}", subject);
    assert_int_equal(claims_of(payload).subject_size, JWT_SUBJECT_SIZE_BYTES);
    subject[JWT_SUBJECT_SIZE_BYTES] = 'u';
    subject[JWT_SUBJECT_SIZE_BYTES + 1] = '\0';
    snprintf(payload, sizeof payload, "{\"sub\":\"%s\",\"exp\":1700000060}", subject);
    expect_payload(&any, payload, JWT_BAD_SUBJECT);
}

/* error_description, RFC 6750 section 3: no quotes, no backslashes, and plain ASCII. */
static void test_every_fault_has_a_text(NO_STATE)
{
    for (enum jwt_fault fault = JWT_GOOD + 1; fault < JWT_FAULT_COUNT; fault++) {
        const char *text = jwt_fault_text(fault);
        assert_non_null(text);
        assert_true(*text != '\0');
        for (; *text != '\0'; text++) {
            assert_true(*text >= ' ' && *text <= '~' && *text != '"' && *text != '\\');
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_of_the_standards),
        cmocka_unit_test(test_every_algorithm),
        cmocka_unit_test(test_every_bit_of_a_signature),
        cmocka_unit_test(test_a_key_of_another_type),
        cmocka_unit_test(test_a_public_key_is_no_secret),
        cmocka_unit_test(test_none_in_all_cases),
        cmocka_unit_test(test_other_algorithms),
        cmocka_unit_test(test_signatures_of_no_use),
        cmocka_unit_test(test_a_signature_in_der),
        cmocka_unit_test(test_another_key_of_the_same_name),
        cmocka_unit_test(test_no_kid_and_several_keys),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_what_is_no_token),
        cmocka_unit_test(test_strict_base64url),
        cmocka_unit_test(test_the_largest_token),
        cmocka_unit_test(test_deep_nesting),
        cmocka_unit_test(test_payloads),
        cmocka_unit_test(test_issuer_and_audience),
        cmocka_unit_test(test_scopes),
        cmocka_unit_test(test_what_the_claims_say),
        cmocka_unit_test(test_every_fault_has_a_text),
    };
    return cmocka_run_group_tests(tests, make_keys, destroy_keys);
}
