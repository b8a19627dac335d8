/* What every fuzz target needs. */
#include "fuzz.h"

#include <jansson.h>
#include <stdlib.h>

char *fuzz_string(struct slice bytes)
{
    const char *end = bytes.size == 0 ? NULL : memchr(bytes.data, '\0', bytes.size);
    size_t size = end == NULL ? bytes.size : (size_t)(end - bytes.data);
    char *string = calloc(1, size + 1);
    assert(string != NULL);
    if (size > 0) {
        memcpy(string, bytes.data, size);
    }
    return string;
}

void fuzz_percent_encode(struct text *text, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        unsigned char byte = (unsigned char)bytes.data[i];
        char encoded[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        text_add(text, slice_make(encoded, sizeof encoded));
    }
}

bool fuzz_is_utf8(struct slice bytes)
{
    json_t *string = json_stringn(bytes.size == 0 ? "" : bytes.data, bytes.size);
    bool valid = string != NULL;
    json_decref(string);
    return valid;
}
