/* Key sets: which keys of a set are taken, which are left out, and which one a token gets. */
#include "unit.h"

#include "rsvpd/base/jwk.h"
#include "rsvpd/base/jws.h"

#include "token.h"

#include <stdio.h>
#include <stdlib.h>

static struct token_key *rsa, *ec, *ed25519;

static int make_keys(NO_STATE)
{
    rsa = token_key_create(TOKEN_RSA, "r");
    ec = token_key_create(TOKEN_EC, "e");
    ed25519 = token_key_create(TOKEN_ED25519, "o");
    return 0;
}

static int destroy_keys(NO_STATE)
{
    token_key_destroy(&rsa);
    token_key_destroy(&ec);
    token_key_destroy(&ed25519);
    return 0;
}

static struct jwk_set *parse(const char *json, char error[JWK_ERROR_SIZE_BYTES])
{
    error[0] = '\0';
    struct jwk_set *set = jwk_set_parse(slice_of(json), error);
    assert_true((set == NULL) == (error[0] != '\0'));
    return set;
}

static void expect_refused(const char *json, const char *reason)
{
    char error[JWK_ERROR_SIZE_BYTES];
    assert_null(parse(json, error));
    unit_expect_text(json, slice_make(error, strnlen(error, strlen(reason))), reason);
}

/* The JWK becomes the test's. How many of a set of it and a good key are taken. */
static size_t taken_beside_a_good_one(json_t *jwk)
{
    char error[JWK_ERROR_SIZE_BYTES];
    json_t *document = json_pack("{s:[o,o]}", "keys", jwk, token_key_jwk(ed25519));
    char *text = json_dumps(document, 0);
    struct jwk_set *set = parse(text, error);
    assert_non_null(set);
    size_t count = jwk_set_count(set);
    assert_int_equal(jwk_set_left_out(set), 2 - count);
    jwk_set_destroy(&set);
    free(text);
    json_decref(document);
    return count - 1;
}

static json_t *with(const struct token_key *key, const char *name, json_t *value)
{
    json_t *jwk = token_key_jwk(key);
    assert_int_equal(json_object_set_new(jwk, name, value), 0);
    return jwk;
}

static void test_every_type_is_taken(NO_STATE)
{
    char error[JWK_ERROR_SIZE_BYTES];
    char *text = token_key_set((const struct token_key *[]){rsa, ec, ed25519}, 3);
    struct jwk_set *set = parse(text, error);
    assert_non_null(set);
    assert_int_equal(jwk_set_count(set), 3);
    assert_int_equal(jwk_set_algorithms(set),
                     1u << JWT_RS256 | 1u << JWT_PS256 | 1u << JWT_ES256 | 1u << JWT_EDDSA);
    assert_int_equal(jwk_set_left_out(set), 0);
    jwk_set_destroy(&set);
    assert_null(set);
    jwk_set_destroy(&set);
    free(text);
}

static void test_members_say_what_a_key_is_for(NO_STATE)
{
    assert_int_equal(taken_beside_a_good_one(token_key_jwk(rsa)), 1);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "use", json_string("sig"))), 1);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "use", json_string("enc"))), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "use", json_null())), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "key_ops", json_pack("[s]", "verify"))), 1);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "key_ops", json_pack("[i,s]", 1, "verify"))),
                     1);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "key_ops", json_pack("[s]", "sign"))), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "key_ops", json_array())), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "key_ops", json_string("verify"))), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "alg", json_string("PS256"))), 1);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "alg", json_string("RS384"))), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "alg", json_string("ES256"))), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "alg", json_string("HS256"))), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "alg", json_integer(1))), 0);
    assert_int_equal(taken_beside_a_good_one(with(ec, "alg", json_string("ES256"))), 1);
    assert_int_equal(taken_beside_a_good_one(with(ed25519, "alg", json_string("Ed25519"))), 1);
    assert_int_equal(taken_beside_a_good_one(with(ed25519, "alg", json_string("EdDSA"))), 1);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "kid", json_integer(1))), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "x5c", json_pack("[s]", "rubbish"))), 1);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "d", json_string("AQAB"))), 1);
}

static void test_strange_keys_are_left_out(NO_STATE)
{
    static const char *const strange[] = {
        "{}",
        "{\"kty\":1}",
        "{\"kty\":\"AKP\",\"alg\":\"ML-DSA-44\",\"pub\":\"AAAA\"}",
        "{\"kty\":\"rsa\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}",
        "{\"kty\":\"RSA\",\"n\":\"\",\"e\":\"\"}",
        "{\"kty\":\"RSA\",\"n\":17,\"e\":\"AQAB\"}",
        "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"hSDwCYkwp1R0i33ctD73Wg2_"
        "Og0mOBr066SpjqqbTmo\"}",
        "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}",
        "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-"
        "EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}",
        "[]",
        "\"key\"",
        "null",
    };
    for (size_t i = 0; i < LENGTH(strange); i++) {
        assert_int_equal(taken_beside_a_good_one(json_loads(strange[i], JSON_DECODE_ANY, NULL)), 0);
    }
    assert_int_equal(taken_beside_a_good_one(with(ec, "crv", json_string("P-384"))), 0);
    assert_int_equal(taken_beside_a_good_one(with(ec, "crv", json_string("secp256k1"))), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "n", json_string("no base64"))), 0);
}

/* The point is another key's, or not on the curve at all. */
static void test_bad_points_are_left_out(NO_STATE)
{
    struct token_key *other = token_key_create(TOKEN_EC, NULL);
    struct token_key *larger = token_key_create_ec("P-384", NULL);
    struct token_key *koblitz = token_key_create_ec("secp256k1", NULL);
    json_t *of_other = token_key_jwk(other);
    unsigned char zeros[32] = {0};
    char *zero = token_encode(zeros, sizeof zeros);
    assert_int_equal(
        taken_beside_a_good_one(with(ec, "x", json_incref(json_object_get(of_other, "x")))), 0);
    json_t *origin = with(ec, "x", json_string(zero));
    assert_int_equal(json_object_set_new(origin, "y", json_string(zero)), 0);
    assert_int_equal(taken_beside_a_good_one(origin), 0);
    assert_int_equal(taken_beside_a_good_one(token_key_jwk(larger)), 0);
    assert_int_equal(taken_beside_a_good_one(token_key_jwk(koblitz)), 0);
    free(zero);
    json_decref(of_other);
    token_key_destroy(&other);
    token_key_destroy(&larger);
    token_key_destroy(&koblitz);
}

static void test_weak_rsa_is_left_out(NO_STATE)
{
    struct token_key *small = token_key_create_rsa(1024, "r");
    struct token_key *almost = token_key_create_rsa(2047, "r");
    assert_int_equal(taken_beside_a_good_one(token_key_jwk(small)), 0);
    assert_int_equal(taken_beside_a_good_one(token_key_jwk(almost)), 0);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "e", json_string("AQ"))), 0); /* 1 */
    assert_int_equal(taken_beside_a_good_one(with(rsa, "e", json_string("Ag"))), 0); /* 2 */
    assert_int_equal(taken_beside_a_good_one(with(rsa, "e", json_string("Aw"))), 1); /* 3 */
    assert_int_equal(taken_beside_a_good_one(with(rsa, "e", json_string("AQAAAAAAAAAB"))), 0);
    unsigned char huge[JWK_RSA_BITS_MAX / 8 + 1];
    memset(huge, 0xff, sizeof huge);
    char *text = token_encode(huge, sizeof huge);
    assert_int_equal(taken_beside_a_good_one(with(rsa, "n", json_string(text))), 0);
    free(text);
    token_key_destroy(&small);
    token_key_destroy(&almost);
}

static void test_what_is_no_set_is_refused(NO_STATE)
{
    expect_refused("", "the key set is not valid JSON (line 1, column 0)");
    expect_refused("{\"keys\":[]", "the key set is not valid JSON (line 1,");
    expect_refused("{\"keys\":[],\"keys\":[]}", "the key set is not valid JSON (line 1,");
    expect_refused("{\"keys\":[]} x", "the key set is not valid JSON (line 1,");
    expect_refused("[]", "the key set must be a JSON object with an array named keys");
    expect_refused("{}", "the key set must be a JSON object with an array named keys");
    expect_refused("{\"keys\":{}}", "the key set must be a JSON object with an array named keys");
    expect_refused("{\"keys\":[]}", "none of the 0 keys in the set is for signatures and RSA of "
                                    "2048 to 8192 bits, P-256 or Ed25519");
    expect_refused("{\"keys\":[{},{}]}", "none of the 2 keys in the set");
}

/* Makes a set of so many keys, each the same. */
static char *set_of(size_t count, size_t padding)
{
    json_t *keys = json_array();
    char *blanks = calloc(1, padding + 1);
    assert_non_null(blanks);
    memset(blanks, ' ', padding);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(keys, token_key_jwk(ed25519));
    }
    json_t *set = json_pack("{s:o}", "keys", keys);
    char *text = json_dumps(set, JSON_COMPACT), *padded;
    assert_true(asprintf(&padded, "%s%s", text, blanks) > 0);
    json_decref(set);
    free(text);
    free(blanks);
    return padded;
}

static void test_a_set_is_bounded(NO_STATE)
{
    char error[JWK_ERROR_SIZE_BYTES];
    char *most = set_of(JWK_KEYS_MAX, 0), *more = set_of(JWK_KEYS_MAX + 1, 0), *one = set_of(1, 0);
    char *largest = set_of(1, JWK_SET_SIZE_MAX_BYTES - strlen(one));
    char *larger = set_of(1, JWK_SET_SIZE_MAX_BYTES - strlen(one) + 1);
    struct jwk_set *set = parse(most, error);
    assert_non_null(set);
    assert_int_equal(jwk_set_count(set), JWK_KEYS_MAX);
    jwk_set_destroy(&set);
    set = parse(largest, error);
    assert_non_null(set);
    jwk_set_destroy(&set);
    assert_null(parse(more, error));
    assert_string_equal(error, "the key set has more than 64 keys");
    assert_null(parse(larger, error));
    assert_string_equal(error, "the key set is larger than 65536 bytes");
    free(most);
    free(more);
    free(one);
    free(largest);
    free(larger);
}

static void test_a_secret_must_be_long(NO_STATE)
{
    char error[JWK_ERROR_SIZE_BYTES];
    assert_null(jwk_set_of_secret(slice_of("thirty-one bytes are too few..."), error));
    assert_string_equal(error, "the secret has fewer than 32 bytes");
    struct jwk_set *set = jwk_set_of_secret(slice_of("thirty-two bytes are just enough"), error);
    assert_non_null(set);
    assert_int_equal(jwk_set_count(set), 1);
    assert_int_equal(jwk_set_algorithms(set), 1u << JWT_HS256);
    jwk_set_destroy(&set);
}

/* ---- which key a token gets ---- */

static enum jwk_found find(const struct token_key *const *keys, size_t count,
                           enum jwt_algorithm algorithm, const char *kid)
{
    char error[JWK_ERROR_SIZE_BYTES];
    char *text = token_key_set(keys, count);
    struct jwk_set *set = parse(text, error);
    const struct jwk *key = NULL;
    assert_non_null(set);
    enum jwk_found found = jwk_set_find(set, algorithm, kid, &key);
    if (found == JWK_FOUND) {
        assert_true(key->algorithms & 1u << algorithm);
        assert_true(kid == NULL || strcmp(key->kid, kid) == 0);
    }
    free(text);
    jwk_set_destroy(&set);
    return found;
}

static void test_kid_and_algorithm_name_the_key(NO_STATE)
{
    struct token_key *nameless = token_key_create(TOKEN_EC, NULL);
    struct token_key *twin = token_key_create(TOKEN_EC, "r"); /* the kid of the RSA key */
    const struct token_key *const all[] = {rsa, ec, ed25519, nameless, twin};
    assert_int_equal(find(all, 5, JWT_RS256, "r"), JWK_FOUND);
    assert_int_equal(find(all, 5, JWT_PS256, "r"), JWK_FOUND);
    assert_int_equal(find(all, 5, JWT_ES256, "r"), JWK_FOUND);
    assert_int_equal(find(all, 4, JWT_ES256, "r"), JWK_MISFIT);
    assert_int_equal(find(all, 5, JWT_EDDSA, "r"), JWK_MISFIT);
    assert_int_equal(find(all, 5, JWT_HS256, "r"), JWK_MISFIT);
    assert_int_equal(find(all, 5, JWT_RS256, "x"), JWK_UNKNOWN);
    assert_int_equal(find(all, 5, JWT_RS256, ""), JWK_UNKNOWN);
    assert_int_equal(find(all, 5, JWT_RS256, "R"), JWK_UNKNOWN);
    assert_int_equal(find(all, 5, JWT_RS256, NULL), JWK_FOUND);
    assert_int_equal(find(all, 5, JWT_ES256, NULL), JWK_AMBIGUOUS);
    assert_int_equal(find(all, 5, JWT_HS256, NULL), JWK_UNKNOWN);
    token_key_destroy(&nameless);
    token_key_destroy(&twin);
}

/* Of both ends of a set: the first with this kid. */
static void test_the_first_of_equal_kids(NO_STATE)
{
    struct token_key *second = token_key_create(TOKEN_EC, "e");
    const struct token_key *const orders[][2] = {{ec, second}, {second, ec}};
    for (size_t i = 0; i < 2; i++) {
        char error[JWK_ERROR_SIZE_BYTES];
        size_t size;
        char *text = token_key_set(orders[i], 2);
        struct jwk_set *set = parse(text, error);
        unsigned char *signature = token_signature(orders[i][0], "ES256", "message", &size);
        const struct jwk *key;
        assert_int_equal(jwk_set_find(set, JWT_ES256, "e", &key), JWK_FOUND);
        assert_true(jws_verify(key, JWT_ES256, slice_of("message"), signature, size));
        free(signature);
        free(text);
        jwk_set_destroy(&set);
    }
    token_key_destroy(&second);
}

static void test_the_secret_is_for_every_kid(NO_STATE)
{
    char error[JWK_ERROR_SIZE_BYTES];
    struct jwk_set *set = jwk_set_of_secret(slice_of("thirty-two bytes are just enough"), error);
    const struct jwk *key;
    assert_int_equal(jwk_set_find(set, JWT_HS256, NULL, &key), JWK_FOUND);
    assert_int_equal(jwk_set_find(set, JWT_HS256, "any", &key), JWK_FOUND);
    assert_int_equal(jwk_set_find(set, JWT_RS256, "any", &key), JWK_MISFIT);
    jwk_set_destroy(&set);
}

static void test_lists_of_algorithms(NO_STATE)
{
    unsigned all;
    assert_true(jwt_algorithms_parse(slice_of("RS256,ES256"), &all));
    assert_int_equal(all, 1 << JWT_RS256 | 1 << JWT_ES256);
    assert_true(jwt_algorithms_parse(slice_of("PS256 , EdDSA,Ed25519,HS256"), &all));
    assert_int_equal(all, 1 << JWT_PS256 | 1 << JWT_EDDSA | 1 << JWT_HS256);
    assert_false(jwt_algorithms_parse(slice_of(""), &all));
    assert_false(jwt_algorithms_parse(slice_of("none"), &all));
    assert_false(jwt_algorithms_parse(slice_of("RS256,"), &all));
    assert_false(jwt_algorithms_parse(slice_of("rs256"), &all));
    assert_false(jwt_algorithms_parse(slice_of("RS256 ES256"), &all));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_type_is_taken),
        cmocka_unit_test(test_members_say_what_a_key_is_for),
        cmocka_unit_test(test_strange_keys_are_left_out),
        cmocka_unit_test(test_bad_points_are_left_out),
        cmocka_unit_test(test_weak_rsa_is_left_out),
        cmocka_unit_test(test_what_is_no_set_is_refused),
        cmocka_unit_test(test_a_set_is_bounded),
        cmocka_unit_test(test_a_secret_must_be_long),
        cmocka_unit_test(test_kid_and_algorithm_name_the_key),
        cmocka_unit_test(test_the_first_of_equal_kids),
        cmocka_unit_test(test_the_secret_is_for_every_kid),
        cmocka_unit_test(test_lists_of_algorithms),
    };
    return cmocka_run_group_tests(tests, make_keys, destroy_keys);
}
