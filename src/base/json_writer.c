/* Writes one JSON text.
 *
 * DESIGN: It makes each answer, so it copies as much at a time as it can: a name with all that is
 * around it, and of a string every stretch that needs no escape. */
#include "rsvpd/base/json_writer.h"
#include "rsvpd/base/contract.h"
#include "rsvpd/base/utf8.h"

static bool inside_object(const struct json_writer *json)
{
    return (json->objects & 1) != 0;
}

/* Writes what precedes a value: a comma if it is not the first, and its name. */
static void begin_value(struct json_writer *json, const char *name)
{
    assert((name != NULL) == inside_object(json));
    assert(json->depth > 0 || !json->comma);
    bool comma = json->comma;
    json->comma = true;
    if (name == NULL) {
        text_add(json->out, slice_make(",", comma));
        return;
    }
    struct slice bytes = slice_of(name);
    char *at = text_reserve(json->out, comma + bytes.size + strlen("\"\":"));
    if (at != NULL) {
        if (comma) {
            *at++ = ',';
        }
        *at++ = '"';
        memcpy(at, bytes.data, bytes.size);
        at[bytes.size] = '"';
        at[bytes.size + 1] = ':';
    }
}

static void begin_level(struct json_writer *json, const char *name, bool object)
{
    begin_value(json, name);
    assert(json->depth < JSON_DEPTH_MAX);
    json->objects = json->objects << 1 | object;
    json->depth++;
    json->comma = false;
    text_add(json->out, slice_make(object ? "{" : "[", 1));
}

static void end_level(struct json_writer *json, bool object)
{
    assert(json->depth > 0 && inside_object(json) == object);
    json->objects >>= 1;
    json->depth--;
    json->comma = true;
    text_add(json->out, slice_make(object ? "}" : "]", 1));
}

void json_write_object_begin(struct json_writer *json, const char *name)
{
    begin_level(json, name, true);
}

void json_write_object_end(struct json_writer *json)
{
    end_level(json, true);
}

void json_write_array_begin(struct json_writer *json, const char *name)
{
    begin_level(json, name, false);
}

void json_write_array_end(struct json_writer *json)
{
    end_level(json, false);
}

/* ---- strings (RFC 8259 section 7) ---- */

/* How many bytes at the start of `s` need no escape in a JSON string: printing ASCII except the
 * quote and the backslash, and well-formed UTF-8. */
static size_t unescaped(struct slice s)
{
    size_t size = 0;
    while (size < s.size) {
        unsigned char c = (unsigned char)s.data[size];
        size_t step = c < 0x80 ? c >= 0x20 && c != 0x7F && c != '"' && c != '\\'
                               : utf8_sequence(slice_make(s.data + size, s.size - size));
        if (step == 0) {
            break;
        }
        size += step;
    }
    return size;
}

static void add_escape(struct text *out, unsigned char c)
{
    if (c == '"' || c == '\\') {
        char escaped[] = {'\\', (char)c};
        text_add(out, slice_make(escaped, sizeof escaped));
    } else if (c < 0x80) {
        text_add_format(out, "\\u%04x", c);
    } else {
        text_add_cstr(out, "\\ufffd"); /* no UTF-8 */
    }
}

void json_write_string(struct json_writer *json, const char *name, struct slice value)
{
    begin_value(json, name);
    text_add(json->out, slice_make("\"", 1));
    while (value.size > 0) {
        size_t size = unescaped(value);
        text_add(json->out, slice_make(value.data, size));
        if (size < value.size) {
            add_escape(json->out, (unsigned char)value.data[size++]);
        }
        value = slice_make(value.data + size, value.size - size);
    }
    text_add(json->out, slice_make("\"", 1));
}

/* ---- other values ---- */

void json_write_int(struct json_writer *json, const char *name, int64_t value)
{
    begin_value(json, name);
    text_add_int(json->out, value);
}

void json_write_bool(struct json_writer *json, const char *name, bool value)
{
    begin_value(json, name);
    text_add_cstr(json->out, value ? "true" : "false");
}

void json_write_null(struct json_writer *json, const char *name)
{
    begin_value(json, name);
    text_add_cstr(json->out, "null");
}

void json_write_time(struct json_writer *json, const char *name, int64_t unix_us)
{
    begin_value(json, name);
    text_add(json->out, slice_make("\"", 1));
    text_add_time(json->out, unix_us / 1000);
    text_add(json->out, slice_make("\"", 1));
}

void json_write_milliseconds(struct json_writer *json, const char *name, int64_t microseconds)
{
    uint64_t magnitude = (uint64_t)microseconds;
    begin_value(json, name);
    if (microseconds < 0) {
        text_add_cstr(json->out, "-");
        magnitude = 0 - magnitude;
    }
    const char rest[] = {'.', (char)('0' + magnitude / 100 % 10), (char)('0' + magnitude / 10 % 10),
                         (char)('0' + magnitude % 10)};
    text_add_uint(json->out, magnitude / 1000);
    text_add(json->out, slice_make(rest, sizeof rest));
}

bool json_writer_complete(const struct json_writer *json)
{
    assert(json->depth == 0 && json->comma);
    return !json->out->truncated;
}
