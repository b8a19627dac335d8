/* Signatures of webhooks, by the vector that Standard Webhooks publishes; and secrets. */
#include "unit.h"

#include "rsvpd/base/webhook.h"

/* https://github.com/standard-webhooks/standard-webhooks, in the tests of its libraries. */
static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
static const char id[] = "msg_p5jXN8AQM9LWM0D4loKWxJek";
static const char payload[] = "{\"test\": 2432232314}";
static const char signature_expected[] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
enum { TIMESTAMP_S = 1614265330 };

static void test_the_published_vector(NO_STATE)
{
    struct webhook_secrets secrets;
    char signature[WEBHOOK_SIGNATURE_SIZE_BYTES];
    assert_true(webhook_secrets_parse(slice_of(secret), &secrets));
    assert_int_equal(secrets.count, 1);
    assert_true(webhook_sign(&secrets, id, TIMESTAMP_S, slice_of(payload), signature));
    assert_string_equal(signature, signature_expected);
}

static void test_two_secrets_sign_both(NO_STATE)
{
    struct webhook_secrets secrets;
    char signature[WEBHOOK_SIGNATURE_SIZE_BYTES];
    assert_true(webhook_secrets_parse(slice_of("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= "
                                               "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
                                      &secrets));
    assert_int_equal(secrets.count, 2);
    assert_int_equal(secrets.keys[0].size, 32);
    assert_true(webhook_sign(&secrets, id, TIMESTAMP_S, slice_of(payload), signature));
    const char *second = strchr(signature, ' ');
    assert_non_null(second);
    assert_string_equal(second + 1, signature_expected);
    assert_memory_equal(signature, "v1,", 3);
}

static void test_what_is_no_secret(NO_STATE)
{
    static const char *const texts[] = {
        "",
        " ",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",       /* no prefix */
        "whsec_",                                 /* nothing behind it */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",  /* no whole block */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa==", /* 23 bytes */
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!w", /* no Base64 */
        "whsec_MfKQ9r8G=YqrTwjUPD8ILPZIo2LaLaSw", /* padding inside */
        ("whsec_"
         "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
         "A="), /* 65 bytes */
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw "
         "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    };
    for (size_t i = 0; i < LENGTH(texts); i++) {
        struct webhook_secrets secrets;
        assert_false(webhook_secrets_parse(slice_of(texts[i]), &secrets));
    }
}

static void test_an_id_is_of_its_content(NO_STATE)
{
    char one[WEBHOOK_ID_SIZE_BYTES], again[WEBHOOK_ID_SIZE_BYTES], other[WEBHOOK_ID_SIZE_BYTES];
    assert_true(webhook_id(slice_of("a"), one));
    assert_true(webhook_id(slice_of("a"), again));
    assert_true(webhook_id(slice_of("b"), other));
    assert_string_equal(one, "msg_ca978112ca1bbdcafac231b39a23dc4d");
    assert_string_equal(one, again);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_published_vector),
        cmocka_unit_test(test_two_secrets_sign_both),
        cmocka_unit_test(test_what_is_no_secret),
        cmocka_unit_test(test_an_id_is_of_its_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
