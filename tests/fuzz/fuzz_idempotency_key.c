/* Idempotency keys: a key that was read, written in quotes, is read as the same key. */
#include "fuzz.h"

#include "rsvpd/http/idempotency_key.h"

static void expect_read_again(const struct idempotency_key *key)
{
    char buffer[2 * IDEMPOTENCY_KEY_SIZE_MAX_BYTES + 2];
    struct text quoted = text_over(buffer, sizeof buffer);
    struct idempotency_key back;
    text_add_cstr(&quoted, "\"");
    for (size_t i = 0; i < key->size; i++) {
        bool escaped = key->data[i] == '"' || key->data[i] == '\\';
        assert(key->data[i] >= ' ' && key->data[i] <= '~');
        text_add_cstr(&quoted, escaped ? "\\" : "");
        text_add(&quoted, slice_make(&key->data[i], 1));
    }
    text_add_cstr(&quoted, "\"");
    bool valid = idempotency_key_parse(text_slice(&quoted), &back);
    assert(valid && idempotency_key_equal(key, &back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice value = fuzz_input(data, size);
    struct slice trimmed = slice_trim(value);
    struct idempotency_key key;
    if (idempotency_key_parse(value, &key)) {
        bool bare = trimmed.data[0] != '"';
        assert(key.size > 0 && key.size <= IDEMPOTENCY_KEY_SIZE_MAX_BYTES);
        assert(!bare || slice_equal(trimmed, idempotency_key_slice(&key)));
        expect_read_again(&key);
    }
    return 0;
}
