/* What a byte may be part of, beside the lists of the standards. */
#include "unit.h"

#include "rsvpd/http/byte_class.h"

#include <ctype.h>

static void tokens_are_those_of_rfc_9110(NO_STATE)
{
    for (int byte = 1; byte < 256; byte++) {
        bool token = byte < 0x80 && (isalnum(byte) || strchr("!#$%&'*+-.^_`|~", byte) != NULL);
        assert_int_equal((byte_class((char)byte) & BYTE_TOKEN) != 0, token);
    }
}

static void names_of_hosts_are_unreserved_and_delimiters_without_the_comma(NO_STATE)
{
    for (int byte = 1; byte < 256; byte++) {
        bool host = byte < 0x80 && (isalnum(byte) || strchr("-._~!$&'()*+;=", byte) != NULL);
        assert_int_equal((byte_class((char)byte) & BYTE_HOST) != 0, host);
    }
}

static void targets_have_no_blank_and_values_no_control_character(NO_STATE)
{
    for (int byte = 0; byte < 256; byte++) {
        bool value = (byte >= ' ' && byte != 0x7F) || byte == '\t';
        unsigned class = byte_class((char)byte);
        assert_int_equal((class & BYTE_VALUE) != 0, value);
        assert_int_equal((class & BYTE_TARGET) != 0, value && byte != ' ' && byte != '\t');
    }
}

static void hexadecimal_digits_have_their_value(NO_STATE)
{
    for (int byte = 0; byte < 256; byte++) {
        const char *at = byte == 0 ? NULL : strchr("0123456789abcdef", tolower(byte));
        int value = at == NULL ? -1 : *at <= '9' ? *at - '0' : *at - 'a' + 10;
        assert_int_equal(byte_hex_digit((char)byte), value);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_those_of_rfc_9110),
        cmocka_unit_test(names_of_hosts_are_unreserved_and_delimiters_without_the_comma),
        cmocka_unit_test(targets_have_no_blank_and_values_no_control_character),
        cmocka_unit_test(hexadecimal_digits_have_their_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
