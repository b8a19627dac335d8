/* Counts that Redis gives: what is taken for a value of ours is one that we would write. */
#include "fuzz.h"

#include "rsvpd/store/redis_codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = fuzz_input(data, size);
    struct count count = {.value = -1};
    if (redis_decode_value(bytes, &count)) {
        char buffer[REDIS_VALUE_SIZE_BYTES];
        struct text written = text_over(buffer, sizeof buffer);
        assert(count.value >= 0 && count.version >= 0 && count.as_of_wall_us >= 0);
        redis_encode_value(&count, &written);
        assert(!written.truncated && slice_equal(text_slice(&written), bytes));
    }
    return 0;
}
