/* The message authentication code, against the standard's own examples, shortened. */
#include "unit.h"

#include "rsvpd/base/mac.h"

/* Keys shorter than ours are filled up with zeros, as HMAC itself does: RFC 4231's cases 1 and 2.
 */
static void test_known_codes(NO_STATE)
{
    static const struct {
        unsigned char key[MAC_KEY_SIZE_BYTES];
        const char *message;
        unsigned char mac[MAC_SIZE_BYTES];
    } cases[] = {
        {{0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b,
          0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b},
         "Hi There",
         {0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1,
          0x2b}},
        {"Jefe",
         "what do ya want for nothing?",
         {0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75,
          0xc7}},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        unsigned char mac[MAC_SIZE_BYTES];
        assert_true(mac_compute(cases[i].key, slice_of(cases[i].message), mac));
        assert_memory_equal(mac, cases[i].mac, sizeof mac);
        assert_true(mac_equal(mac, cases[i].mac));
    }
}

static void test_every_bit_counts(NO_STATE)
{
    unsigned char a[MAC_SIZE_BYTES] = {0}, b[MAC_SIZE_BYTES] = {0};
    assert_true(mac_equal(a, b));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] = (unsigned char)(1 << bit % 8);
        assert_false(mac_equal(a, b));
        assert_false(mac_equal(b, a));
        b[bit / 8] = 0;
    }
}

/* FIPS 197, appendix C.3, twice. */
static void test_known_codes_of_blocks(NO_STATE)
{
    static const unsigned char code[MAC_SIZE_BYTES] = {0x8e, 0xa2, 0xb7, 0xca, 0x51, 0x67,
                                                       0x45, 0xbf, 0xea, 0xfc, 0x49, 0x90,
                                                       0x4b, 0x49, 0x60, 0x89};
    unsigned char key[MAC_KEY_SIZE_BYTES], messages[2][MAC_SIZE_BYTES], macs[2][MAC_SIZE_BYTES];
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] = (unsigned char)i;
    }
    for (size_t i = 0; i < MAC_SIZE_BYTES; i++) {
        messages[0][i] = messages[1][i] = (unsigned char)(0x11 * i);
    }
    assert_true(mac_compute_blocks(key, messages[0], 2, macs[0]));
    assert_memory_equal(macs[0], code, sizeof code);
    assert_memory_equal(macs[1], code, sizeof code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_codes),
        cmocka_unit_test(test_known_codes_of_blocks),
        cmocka_unit_test(test_every_bit_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
