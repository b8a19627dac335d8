/* traceparent: what is read is what was written, and only what the grammar of version 00, or a
 * later one that begins like it, allows (W3C Trace Context, section 3.2.2). */
#include "fuzz.h"

#include "rsvpd/base/trace.h"

#include <regex.h>
#include <stdlib.h>

/* Of printing bytes alone. */
static bool reference(struct slice input)
{
    static regex_t grammar;
    static bool compiled;
    if (!compiled) {
        int failed =
            regcomp(&grammar, "^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$",
                    REG_EXTENDED | REG_NOSUB);
        assert(failed == 0);
        compiled = true;
    }
    char *text = fuzz_string(input);
    bool good = regexec(&grammar, text, 0, NULL, 0) == 0 && strncmp(text, "ff", 2) != 0 &&
                (input.size == TRACEPARENT_SIZE_BYTES || strncmp(text, "00", 2) != 0) &&
                strspn(text + 3, "0") < TRACE_ID_DIGITS && strspn(text + 36, "0") < SPAN_ID_DIGITS;
    free(text);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice input = fuzz_input(data, size);
    struct trace_parent parent;
    bool taken = trace_parent_parse(input, &parent);
    bool printable = true; /* the end of a later version may hold any byte */
    for (size_t i = 0; i < input.size; i++) {
        printable = printable && data[i] >= ' ' && data[i] < 0x7f;
    }
    assert(!printable || taken == reference(input));
    if (taken) {
        char trace[TRACE_ID_DIGITS], span[SPAN_ID_DIGITS];
        trace_write_trace_id(&parent.ref, trace);
        trace_write_span_id(parent.ref.span, span);
        assert(memcmp(trace, input.data + 3, sizeof trace) == 0);
        assert(memcmp(span, input.data + 36, sizeof span) == 0);
    }
    return 0;
}
