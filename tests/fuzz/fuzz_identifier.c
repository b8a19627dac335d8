/* Identifiers as they stand and percent-encoded: the two readings agree, and encoding is undone. */
#include "fuzz.h"

#include "rsvpd/domain/identifier.h"

#include <stdlib.h>

static void expect_encoding_undone(const struct identifier *id)
{
    char buffer[3 * IDENTIFIER_SIZE_MAX_BYTES];
    struct text encoded = text_over(buffer, sizeof buffer);
    struct identifier back;
    fuzz_percent_encode(&encoded, identifier_slice(id));
    bool valid = identifier_parse_encoded(text_slice(&encoded), &back);
    assert(valid && identifier_equal(id, &back));
    assert(identifier_compare(id, &back) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = fuzz_input(data, size);
    struct identifier plain, decoded;
    bool is_plain = identifier_parse(input, &plain);
    bool is_encoded = identifier_parse_encoded(input, &decoded);
    if (is_plain) {
        assert(slice_equal(identifier_slice(&plain), input));
        assert(is_encoded && identifier_equal(&plain, &decoded));
    }
    if (is_encoded) {
        struct identifier again;
        bool valid = identifier_parse(identifier_slice(&decoded), &again);
        assert(valid && identifier_equal(&decoded, &again));
        assert(is_plain || memchr(input.data, '%', input.size) != NULL);
        expect_encoding_undone(&decoded);
    }
    return 0;
}
