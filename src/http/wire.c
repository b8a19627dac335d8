/* What a client sends, checked byte by byte before the HTTP library sees it.
 *
 * DESIGN: everything but a body's data is taken by whole lines. A line is looked at in one piece,
 * so that no check depends on how its bytes were cut on their way; a line that is not complete is
 * left to whoever holds the bytes. Of the head's fields the library gets those whose names mean
 * something here, and, made anew at the end of the head, what it needs to know about the body and
 * the connection. Cookies, trailers and chunk extensions it never sees: it would take them apart
 * in the memory that the answer needs. */
#include "rsvpd/http/wire.h"
#include "rsvpd/http/byte_class.h"
#include "rsvpd/http/header.h"
#include "rsvpd/http/host.h"

#include <assert.h>

/* clang-format off */
const struct wire_refusal wire_refusals[WIRE_FAULT_COUNT] = {
    [WIRE_SOUND] = {PROBLEM_NONE, NULL, false},
    [WIRE_TOO_LARGE] = {PROBLEM_HEADERS_TOO_LARGE, NULL, false},
    [WIRE_BAD_LINE] = {PROBLEM_INVALID_PARAMETER,
        "the request line is malformed: it is a method, a target and HTTP/1.1 with one blank between them, and without control characters", true},
    [WIRE_BAD_VERSION] = {PROBLEM_INVALID_PARAMETER, "the version of the request is not known here: send HTTP/1.1 or HTTP/1.0", true},
    [WIRE_BAD_FIELD] = {PROBLEM_INVALID_PARAMETER,
        "the header is malformed: it is a name without blanks, a colon, and a value in the same line without control characters", true},
    [WIRE_TOO_MANY_FIELDS] = {PROBLEM_INVALID_PARAMETER, "more than 24 headers that mean something here: send each of them once", true},
    [WIRE_BAD_HOST] = {PROBLEM_INVALID_PARAMETER, "this is not a host with or without a port: send the name or address alone, as in 'Host: example.org:8080'", true},
    [WIRE_HOSTS] = {PROBLEM_INVALID_PARAMETER, "a request of HTTP/1.1 names its host in one header Host", false},
    [WIRE_BAD_LENGTH] = {PROBLEM_INVALID_PARAMETER, "Content-Length is not a number: send the size of the body in bytes, in digits alone", true},
    [WIRE_BAD_ENCODING] = {PROBLEM_INVALID_PARAMETER, "the only Transfer-Encoding that is understood here is chunked, in HTTP/1.1", true},
    [WIRE_BAD_FRAMING] = {PROBLEM_INVALID_PARAMETER,
        "the head gives the size of the body more than once: send one Content-Length or one Transfer-Encoding", false},
    [WIRE_BAD_CHUNK] = {PROBLEM_INVALID_PARAMETER,
        "a chunk of the body is malformed: send its size in hexadecimal digits, a line end, its data, and a line end, with few extensions or none", false},
    [WIRE_BAD_TRAILER] = {PROBLEM_INVALID_PARAMETER, "a trailer field behind the body is malformed", false},
    [WIRE_LATE] = {PROBLEM_REQUEST_TIMEOUT, NULL, false},
};
/* clang-format on */

/* How many bytes at the begin of `text` are none below `least` and not DEL, as far as that can be
 * told eight at a time. */
static size_t plain_words(struct slice text, unsigned char least)
{
    const uint64_t ones = 0x0101010101010101, highs = 0x8080808080808080;
    size_t size = 0;
    while (size + sizeof ones <= text.size) {
        uint64_t word;
        memcpy(&word, text.data + size, sizeof word);
        uint64_t from_del = word ^ (ones * 0x7F);
        uint64_t low = (word - ones * least) & ~word, del = (from_del - ones) & ~from_del;
        if (((low | del) & highs) != 0) {
            break;
        }
        size += sizeof word;
    }
    return size;
}

/* How many bytes at the begin of `text` are of this class. */
static size_t span(struct slice text, unsigned class)
{
    size_t size = class == BYTE_VALUE    ? plain_words(text, ' ')
                  : class == BYTE_TARGET ? plain_words(text, '!')
                                         : 0;
    while (size < text.size && (byte_class(text.data[size]) & class) != 0) {
        size++;
    }
    return size;
}

/* ---- what is given on ---- */

static void give(struct wire_output *out, struct slice bytes)
{
    if (bytes.size > 0) {
        memcpy(out->data + out->size, bytes.data, bytes.size);
        out->size += bytes.size;
    }
}

static void give_text(struct wire_output *out, const char *text)
{
    give(out, slice_of(text));
}

/* Ends the line of a list. */
static void end_list(struct wire *wire, struct wire_output *out)
{
    give_text(out, wire->list == 0 ? "" : "\r\n");
    wire->list = 0;
}

static void give_number(struct wire_output *out, uint64_t number, unsigned base)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number > 0);
    give(out, slice_make(digits + at, sizeof digits - at));
}

/* ---- the request line ---- */

static enum wire_fault check_version(struct wire *wire, struct slice version)
{
    enum { SIZE_BYTES = 8, MAJOR = 5, MINOR = 7 };
    if (version.size != SIZE_BYTES || memcmp(version.data, "HTTP/", MAJOR) != 0) {
        return WIRE_BAD_LINE;
    }
    wire->minor_zero = version.data[MINOR] == '0';
    bool known = version.data[MAJOR] == '1' && version.data[MAJOR + 1] == '.' &&
                 version.data[MINOR] >= '0' && version.data[MINOR] <= '9';
    return known ? WIRE_SOUND : WIRE_BAD_VERSION;
}

/* The authority of a proxy's form of a target (RFC 9112 section 3.2.2), which begins with a
 * scheme; of any other form there is none to be wrong. */
static bool has_good_authority(struct slice target)
{
    size_t scheme = target.data[0] == '/' ? 0 : span(target, BYTE_TOKEN);
    if (scheme == 0 || target.size - scheme < 3 || memcmp(target.data + scheme, "://", 3) != 0) {
        return true;
    }
    struct slice authority = slice_skip(target, scheme + 3);
    size_t size = 0;
    while (size < authority.size && authority.data[size] != '/' && authority.data[size] != '?') {
        size++;
    }
    return host_is_valid(slice_make(authority.data, size));
}

struct request_line {
    struct slice method, target; /* what of them is well-formed */
    enum wire_fault fault;
};

static struct request_line parse_request_line(struct wire *wire, struct slice line)
{
    struct request_line parsed = {.fault = WIRE_BAD_LINE};
    parsed.method = slice_make(line.data, span(line, BYTE_TOKEN));
    struct slice rest = slice_skip(line, parsed.method.size);
    if (parsed.method.size == 0 || rest.size == 0 || rest.data[0] != ' ') {
        return parsed;
    }
    rest = slice_skip(rest, 1);
    parsed.target = slice_make(rest.data, span(rest, BYTE_TARGET));
    rest = slice_skip(rest, parsed.target.size);
    if (parsed.target.size == 0 || rest.size == 0 || rest.data[0] != ' ') {
        return parsed;
    }
    parsed.fault = check_version(wire, slice_skip(rest, 1));
    if (parsed.fault == WIRE_SOUND && !has_good_authority(parsed.target)) {
        parsed.fault = WIRE_BAD_HOST;
    }
    return parsed;
}

static void give_request_line(struct wire *wire, const struct request_line *line,
                              struct wire_output *out)
{
    give(out, line->method);
    give_text(out, " ");
    give(out, line->target);
    give_text(out, wire->minor_zero ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
    wire->requests++;
}

/* ---- faults ---- */

/* The library has the request line and perhaps some fields: this ends its head. It wants a Host, so
 * that it does not refuse the request itself, and in its own words. */
static void refuse_fields(struct wire *wire, enum wire_fault fault, struct wire_output *out)
{
    end_list(wire, out);
    if (!wire->has_host || fault == WIRE_BAD_HOST) {
        give_text(out, "Host:-\r\n");
    }
    give_text(out, "Content-Length:9223372036854775807\r\n\r\n");
}

/* A line that has not come whole is parsed as well, for what of it can be told. */
static void refuse_request_line(struct wire *wire, enum wire_fault fault, struct slice line,
                                struct wire_output *out)
{
    enum { SHOWN_MAX_BYTES = 1024 };
    struct request_line parsed = parse_request_line(wire, line);
    const char *query =
        parsed.target.size == 0 ? NULL : memchr(parsed.target.data, '?', parsed.target.size);
    if (query != NULL) {
        parsed.target.size = (size_t)(query - parsed.target.data);
    }
    if (parsed.target.size > SHOWN_MAX_BYTES) {
        parsed.target.size = SHOWN_MAX_BYTES;
    }
    if (parsed.target.size == 0) {
        parsed.method = slice_of("GET");
        parsed.target = slice_of("/");
    }
    wire->minor_zero = false;
    wire->has_host = false; /* the request before it may have had one */
    wire->line = 1;
    give_request_line(wire, &parsed, out);
    refuse_fields(wire, fault, out);
}

/* `line` is what is wrong. */
static void refuse(struct wire *wire, enum wire_fault fault, struct slice line,
                   struct wire_output *out)
{
    switch (wire->state) {
    case WIRE_START:
        refuse_request_line(wire, fault, line, out);
        break;
    case WIRE_FIELDS:
        refuse_fields(wire, fault, out);
        break;
    case WIRE_CHUNK_END:
        give_text(out, "\r\n");
        give_text(out, "7fffffffffffffff\r\n");
        break;
    case WIRE_CHUNK_SIZE:
    case WIRE_TRAILERS:
        give_text(out, "7fffffffffffffff\r\n");
        break;
    case WIRE_BODY:
    case WIRE_CHUNK_DATA:
    case WIRE_REFUSED:
        assert(false && "there is nothing to be wrong with data");
    }
    wire->fault = fault;
    wire->state = WIRE_REFUSED;
}

/* ---- fields ---- */

static enum wire_fault parse_host(struct wire *wire, struct slice value)
{
    bool again = wire->has_host;
    wire->has_host = true;
    return again ? WIRE_HOSTS : host_is_valid(value) ? WIRE_SOUND : WIRE_BAD_HOST;
}

static enum wire_fault parse_length(struct wire *wire, struct slice value)
{
    if (wire->has_length || wire->chunked) {
        return WIRE_BAD_FRAMING;
    }
    wire->has_length = true;
    wire->length = 0;
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9') {
            return WIRE_BAD_LENGTH;
        }
        uint64_t digit = (uint64_t)(value.data[i] - '0');
        bool fits = wire->length <= (INT64_MAX - digit) / 10;
        wire->length = fits ? wire->length * 10 + digit : INT64_MAX;
    }
    return value.size == 0 ? WIRE_BAD_LENGTH : WIRE_SOUND;
}

static enum wire_fault parse_encoding(struct wire *wire, struct slice value)
{
    if (wire->has_length || wire->chunked) {
        return WIRE_BAD_FRAMING;
    }
    wire->chunked = true;
    return slice_equal_nocase(value, slice_of("chunked")) ? WIRE_SOUND : WIRE_BAD_ENCODING;
}

static enum wire_fault parse_connection(struct wire *wire, struct slice value)
{
    while (value.size > 0) {
        struct slice option = slice_trim(slice_cut(&value, ','));
        wire->close = wire->close || slice_equal_nocase(option, slice_of("close"));
        wire->keep_alive = wire->keep_alive || slice_equal_nocase(option, slice_of("keep-alive"));
    }
    return WIRE_SOUND;
}

static enum wire_fault parse_expect(struct wire *wire, struct slice value)
{
    wire->expects = wire->expects || slice_equal_nocase(value, slice_of("100-continue"));
    return WIRE_SOUND;
}

/* Fields that are read here. All but Host are given on in another form, at the end of the head. */
static const struct known_field {
    struct slice name;
    enum wire_fault (*parse)(struct wire *wire, struct slice value);
} known_fields[] = {
    {{"Host", 4}, parse_host},
    {{"Content-Length", 14}, parse_length},
    {{"Transfer-Encoding", 17}, parse_encoding},
    {{"Connection", 10}, parse_connection},
    {{"Expect", 6}, parse_expect},
};

/* Acts on one field; `given_on` says whether the library is to have it. */
static enum wire_fault handle_field(struct wire *wire, struct slice name, struct slice value,
                                    bool *given_on)
{
    for (size_t i = 0; i < sizeof known_fields / sizeof known_fields[0]; i++) {
        if (slice_equal_nocase(name, known_fields[i].name)) {
            *given_on = known_fields[i].parse == parse_host;
            return known_fields[i].parse(wire, value);
        }
    }
    *given_on = header_named(name) < HEADER_NAME_COUNT;
    return WIRE_SOUND;
}

/* Takes a field's line apart. False where it is malformed. */
static bool parse_field(struct slice line, struct slice *name, struct slice *value)
{
    *name = slice_make(line.data, span(line, BYTE_TOKEN));
    if (name->size == 0 || name->size == line.size || line.data[name->size] != ':') {
        return false;
    }
    *value = slice_skip(line, name->size + 1);
    bool good = span(*value, BYTE_VALUE) == value->size;
    *value = slice_trim(*value);
    return good;
}

/* Gives a field on: a list that goes on from the line before as one, since the library takes memory
 * for each line. */
static enum wire_fault give_field(struct wire *wire, struct slice name, struct slice value,
                                  struct wire_output *out)
{
    enum header_name known = header_named(name);
    if (wire->list == known + 1) {
        give_text(out, ", ");
        give(out, value);
        return WIRE_SOUND;
    }
    end_list(wire, out);
    if (wire->fields == WIRE_FIELDS_MAX) {
        return WIRE_TOO_MANY_FIELDS;
    }
    wire->fields++;
    wire->list = header_is_list(known) ? known + 1 : 0;
    give(out, name);
    give_text(out, ":");
    give(out, value);
    give_text(out, wire->list == 0 ? "\r\n" : "");
    return WIRE_SOUND;
}

static enum wire_fault add_field(struct wire *wire, struct slice line, struct wire_output *out)
{
    struct slice name, value;
    bool given_on;
    if (!parse_field(line, &name, &value)) {
        return WIRE_BAD_FIELD;
    }
    enum wire_fault fault = handle_field(wire, name, value, &given_on);
    if (fault != WIRE_SOUND || !given_on) {
        return fault;
    }
    return give_field(wire, name, value, out);
}

/* Of the head as a whole. */
static enum wire_fault check_head(const struct wire *wire)
{
    if (wire->chunked && wire->minor_zero) {
        return WIRE_BAD_ENCODING;
    }
    return !wire->has_host && !wire->minor_zero ? WIRE_HOSTS : WIRE_SOUND;
}

static void end_head(struct wire *wire, struct wire_output *out)
{
    bool has_body = wire->chunked || wire->length > 0;
    end_list(wire, out);
    if (wire->close || wire->keep_alive) {
        give_text(out, wire->close ? "Connection:close\r\n" : "Connection:keep-alive\r\n");
    }
    if (wire->has_length) {
        give_text(out, "Content-Length:");
        give_number(out, wire->length, 10);
        give_text(out, "\r\n");
    }
    if (wire->chunked) {
        give_text(out, "Transfer-Encoding:chunked\r\n");
    }
    if (wire->expects && has_body) {
        give_text(out, "Expect:100-continue\r\n");
    }
    give_text(out, "\r\n");
    wire->left = wire->length;
    wire->section_size = 0;
    wire->state = wire->chunked ? WIRE_CHUNK_SIZE : has_body ? WIRE_BODY : WIRE_START;
}

/* ---- chunks ---- */

/* The size of a quoted string at the begin of `text`, 0 where there is none (RFC 9110 section
 * 5.6.4). */
static size_t quoted_string(struct slice text)
{
    size_t i = 1;
    if (text.size == 0 || text.data[0] != '"') {
        return 0;
    }
    while (i < text.size && text.data[i] != '"') {
        i += text.data[i] == '\\';
        if (i >= text.size || (byte_class(text.data[i]) & BYTE_VALUE) == 0) {
            return 0;
        }
        i++;
    }
    return i < text.size ? i + 1 : 0;
}

static struct slice skip_blanks(struct slice text)
{
    size_t size = 0;
    while (size < text.size && (text.data[size] == ' ' || text.data[size] == '\t')) {
        size++;
    }
    return slice_skip(text, size);
}

/* RFC 9112 section 7.1.1: ;name or ;name=value, with blanks around both signs. */
static bool are_extensions(struct slice text)
{
    struct slice rest = skip_blanks(text);
    while (rest.size > 0) {
        if (rest.data[0] != ';') {
            return false;
        }
        rest = skip_blanks(slice_skip(rest, 1));
        size_t name = span(rest, BYTE_TOKEN);
        rest = skip_blanks(slice_skip(rest, name));
        if (name == 0) {
            return false;
        }
        if (rest.size > 0 && rest.data[0] == '=') {
            rest = skip_blanks(slice_skip(rest, 1));
            size_t token = span(rest, BYTE_TOKEN);
            size_t value = token > 0 ? token : quoted_string(rest);
            if (value == 0) {
                return false;
            }
            rest = skip_blanks(slice_skip(rest, value));
        }
    }
    return true;
}

static enum wire_fault parse_chunk_size(struct wire *wire, struct slice line,
                                        struct wire_output *out)
{
    enum { DIGITS_MAX = 16, SIZE_DIGITS_MAX = 15 };
    size_t digits = 0, zeros = 0;
    uint64_t size = 0;
    for (; digits < line.size && byte_hex_digit(line.data[digits]) >= 0; digits++) {
        zeros += size == 0 && line.data[digits] == '0';
        if (digits == DIGITS_MAX || digits - zeros == SIZE_DIGITS_MAX) {
            return WIRE_BAD_CHUNK;
        }
        size = size * 16 + (uint64_t)byte_hex_digit(line.data[digits]);
    }
    wire->section_size += (unsigned)(line.size - digits + zeros);
    if (digits == 0 || !are_extensions(slice_skip(line, digits)) ||
        wire->section_size > WIRE_EXTENSIONS_SIZE_MAX_BYTES) {
        return WIRE_BAD_CHUNK;
    }
    if (size == 0) {
        wire->section_size = 0;
        wire->state = WIRE_TRAILERS;
        return WIRE_SOUND; /* given on once the trailers have been seen */
    }
    give_number(out, size, 16);
    give_text(out, "\r\n");
    wire->left = size;
    wire->state = WIRE_CHUNK_DATA;
    return WIRE_SOUND;
}

static enum wire_fault end_chunk(struct wire *wire, struct slice line, struct wire_output *out)
{
    if (line.size > 0) {
        return WIRE_BAD_CHUNK;
    }
    give_text(out, "\r\n");
    wire->state = WIRE_CHUNK_SIZE;
    return WIRE_SOUND;
}

static enum wire_fault parse_trailer(struct wire *wire, struct slice line, struct wire_output *out)
{
    struct slice name, value;
    if (line.size > 0) {
        return parse_field(line, &name, &value) ? WIRE_SOUND : WIRE_BAD_TRAILER;
    }
    give_text(out, "0\r\n\r\n");
    wire->section_size = 0;
    wire->state = WIRE_START;
    return WIRE_SOUND;
}

/* ---- lines ---- */

static enum wire_fault begin_head(struct wire *wire, struct slice line, struct wire_output *out)
{
    if (line.size == 0) {
        return WIRE_SOUND; /* RFC 9112 section 2.2: it may stand before a request line */
    }
    struct request_line parsed = parse_request_line(wire, line);
    if (parsed.fault != WIRE_SOUND) {
        return parsed.fault;
    }
    bool minor_zero = wire->minor_zero;
    *wire = (struct wire){.state = WIRE_FIELDS,
                          .requests = wire->requests,
                          .section_size = wire->section_size,
                          .line = 1,
                          .minor_zero = minor_zero};
    give_request_line(wire, &parsed, out);
    return WIRE_SOUND;
}

static enum wire_fault parse_head_line(struct wire *wire, struct slice line,
                                       struct wire_output *out)
{
    wire->line++;
    if (line.size > 0) {
        return add_field(wire, line, out);
    }
    enum wire_fault fault = check_head(wire);
    if (fault == WIRE_SOUND) {
        end_head(wire, out);
    }
    return fault;
}

static enum wire_fault parse_line(struct wire *wire, struct slice line, struct wire_output *out)
{
    switch (wire->state) {
    case WIRE_START:
        return begin_head(wire, line, out);
    case WIRE_FIELDS:
        return parse_head_line(wire, line, out);
    case WIRE_CHUNK_SIZE:
        return parse_chunk_size(wire, line, out);
    case WIRE_CHUNK_END:
        return end_chunk(wire, line, out);
    case WIRE_TRAILERS:
        return parse_trailer(wire, line, out);
    case WIRE_BODY:
    case WIRE_CHUNK_DATA:
    case WIRE_REFUSED:
        break;
    }
    assert(false && "data has no lines");
    return WIRE_SOUND;
}

static bool is_chunk_line(const struct wire *wire)
{
    return wire->state == WIRE_CHUNK_SIZE || wire->state == WIRE_CHUNK_END;
}

/* How many bytes the line that comes may have, with its end. */
static size_t line_size_max(const struct wire *wire)
{
    return wire->state == WIRE_CHUNK_END    ? 2
           : wire->state == WIRE_CHUNK_SIZE ? (size_t)WIRE_CHUNK_LINE_SIZE_MAX_BYTES
                                            : WIRE_HEAD_SIZE_MAX_BYTES - wire->section_size;
}

/* Takes the line that `in` begins with. Answers its size, 0 where it is not complete or there is a
 * fault. */
static size_t feed_line(struct wire *wire, struct slice in, struct wire_output *out)
{
    size_t size_max = line_size_max(wire);
    size_t seen = in.size < size_max ? in.size : size_max;
    const char *end = seen == 0 ? NULL : memchr(in.data, '\n', seen);
    struct slice line = slice_make(in.data, end == NULL ? seen : (size_t)(end - in.data));
    size_t size = line.size + 1;
    if (end == NULL && seen < size_max) {
        return 0;
    }
    bool returns = line.size > 0 && line.data[line.size - 1] == '\r';
    line.size -= returns;
    enum wire_fault fault = is_chunk_line(wire) ? WIRE_BAD_CHUNK : WIRE_TOO_LARGE;
    if (end != NULL && (returns || !is_chunk_line(wire))) {
        wire->section_size += is_chunk_line(wire) ? 0 : (unsigned)size;
        fault = parse_line(wire, line, out);
    }
    if (fault != WIRE_SOUND) {
        refuse(wire, fault, line, out);
        return 0;
    }
    return size;
}

/* Gives data on. Answers how much of `in`. */
static size_t feed_data(struct wire *wire, struct slice in, struct wire_output *out)
{
    if (wire->state != WIRE_REFUSED) {
        in.size = wire->left < in.size ? (size_t)wire->left : in.size;
        wire->left -= in.size;
        if (wire->left == 0) {
            wire->state = wire->state == WIRE_BODY ? WIRE_START : WIRE_CHUNK_END;
        }
    }
    give(out, in);
    return in.size;
}

static bool expects_data(const struct wire *wire)
{
    return wire->state == WIRE_BODY || wire->state == WIRE_CHUNK_DATA ||
           wire->state == WIRE_REFUSED;
}

size_t wire_feed(struct wire *wire, struct slice in, struct wire_output *out)
{
    size_t taken = 0, out_size = out->size;
    bool stuck = false;
    while (taken < in.size && !stuck) {
        struct slice rest = slice_skip(in, taken);
        if (expects_data(wire)) {
            taken += feed_data(wire, rest, out);
        } else {
            size_t size = feed_line(wire, rest, out);
            taken += size;
            stuck = size == 0 && wire->state != WIRE_REFUSED;
        }
    }
    assert(out->size - out_size <= 2 * in.size + WIRE_GROWTH_MAX_BYTES);
    return taken;
}

void wire_expire(struct wire *wire, struct slice line, struct wire_output *out)
{
    assert(wire->state == WIRE_START && line.size > 0);
    refuse(wire, WIRE_LATE, line, out);
}
