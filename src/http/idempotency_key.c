/* The header Idempotency-Key of a write. */
#include "rsvpd/http/idempotency_key.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/header.h"

/* What stands between the quotes, or as it came where there are none; false where a quote is not
 * closed at the very end. */
static bool unquote(struct slice value, struct idempotency_key *key)
{
    bool quoted = value.size > 0 && value.data[0] == '"', closed = !quoted;
    *key = (struct idempotency_key){.size = 0};
    for (size_t i = quoted; i < value.size; i++) {
        char c = value.data[i];
        if (quoted && c == '"') {
            closed = i + 1 == value.size;
            break;
        }
        if (quoted && c == '\\') {
            i++;
            if (i == value.size || (value.data[i] != '"' && value.data[i] != '\\')) {
                return false;
            }
            c = value.data[i];
        }
        if (key->size == IDEMPOTENCY_KEY_SIZE_MAX_BYTES || c < ' ' || c > '~') {
            return false;
        }
        key->data[key->size++] = c;
    }
    return closed;
}

bool idempotency_key_parse(struct slice value, struct idempotency_key *key)
{
    return unquote(slice_trim(value), key) && key->size > 0;
}

bool idempotency_key_find(struct request *request)
{
    struct slice values[2];
    size_t size = header_values(request, HEADER_IDEMPOTENCY_KEY, values, 2);
    if (size == 0 || (size == 1 && idempotency_key_parse(values[0], &request->idempotency_key))) {
        return true;
    }
    answer_problem(
        request, PROBLEM_INVALID_PARAMETER,
        "the header Idempotency-Key holds one key of 1 to 255 printable ASCII bytes, with "
        "or without double quotes around it");
    return false;
}
