/* JSON strings that are made of whatever a client sent: always a JSON string, and the very same
 * text where that was UTF-8. */
#include "fuzz.h"

#include "rsvpd/base/json_writer.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = fuzz_input(data, size);
    char *memory = malloc(6 * size + 2);
    struct text text = text_over(memory, 6 * size + 2);
    struct json_writer json = json_writer_over(&text);
    json_write_string(&json, NULL, bytes);
    assert(json_writer_complete(&json));
    json_error_t error;
    json_t *read = json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    assert(json_is_string(read));
    bool same = slice_equal(bytes, slice_make(json_string_value(read), json_string_length(read)));
    assert(same == fuzz_is_utf8(bytes) || size == 0);
    json_decref(read);
    free(memory);
    return 0;
}
