/* UTF-8: the edges of what is well-formed. */
#include "unit.h"

#include "rsvpd/base/utf8.h"

static void test_sequences(NO_STATE)
{
    static const struct {
        const char *bytes;
        size_t size; /* of the sequence; 0: none */
    } cases[] = {
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xc3\xa9xyz", 2},
        {"a", 0},
        {"\x80", 0},
        {"\xc0\x80", 0},
        {"\xc1\xbf", 0},
        {"\xc2", 0},
        {"\xc2z", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xed\xa0\x80", 0},
        {"\xe2\x82", 0},
        {"\xe2\x82z", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xff", 0},
        {"\xf0\x90\x80", 0},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        assert_int_equal(utf8_sequence(slice_of(cases[i].bytes)), cases[i].size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sequences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
