/* Lists of key=value, as OpenTelemetry's variables have them. */
#include "rsvpd/base/pair_list.h"
#include "rsvpd/base/uri.h"

bool pair_list_next(struct slice *list, struct slice *key, char value[PAIR_VALUE_SIZE_MAX_BYTES],
                    size_t *value_size, bool *malformed)
{
    *malformed = false;
    while (list->size > 0) {
        struct slice encoded = slice_trim(slice_cut(list, ','));
        if (encoded.size == 0) {
            continue;
        }
        bool assigned = memchr(encoded.data, '=', encoded.size) != NULL;
        *key = slice_trim(slice_cut(&encoded, '='));
        *malformed = !assigned || key->size == 0 ||
                     !uri_decode(slice_trim(encoded), value, PAIR_VALUE_SIZE_MAX_BYTES, value_size);
        return !*malformed;
    }
    return false;
}
