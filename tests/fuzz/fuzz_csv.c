/* CSV: the lines are the input's own wherever its pieces are cut, and the fields of a line, all of
 * them quoted, are the same fields. The first byte says how large the pieces are. */
#include "fuzz.h"

#include "rsvpd/base/csv.h"

/* ---- fields ---- */

static void quote(struct text *text, struct slice field)
{
    text_add_cstr(text, "\"");
    for (size_t i = 0; i < field.size; i++) {
        text_add_cstr(text, field.data[i] == '"' ? "\"" : "");
        text_add(text, slice_make(field.data + i, 1));
    }
    text_add_cstr(text, "\"");
}

static void check_fields(struct slice content)
{
    static struct csv_record record, again;
    char buffer[CSV_LINE_SIZE_MAX_BYTES];
    struct text quoted = text_over(buffer, sizeof buffer);
    const char *problem = NULL;
    if (!csv_split(content, &record, &problem)) {
        assert(problem != NULL);
        return;
    }
    assert(record.count >= 1 && record.count <= CSV_FIELDS_MAX);
    for (size_t i = 0; i < record.count; i++) {
        text_add_cstr(&quoted, i == 0 ? "" : ",");
        quote(&quoted, record.fields[i]);
    }
    if (quoted.truncated) { /* as a line it would be too long */
        return;
    }
    bool splits = csv_split(text_slice(&quoted), &again, &problem);
    assert(splits && again.count == record.count);
    for (size_t i = 0; i < record.count; i++) {
        assert(slice_equal(record.fields[i], again.fields[i]));
    }
}

/* ---- lines ---- */

struct reader {
    struct csv_lines lines;
    struct slice input; /* not handed in yet */
    size_t piece_size;
    char buffer[CSV_BUFFER_SIZE_MIN_BYTES];
};

static enum csv_event next(struct reader *reader, struct slice *line)
{
    enum csv_event event;
    while ((event = csv_lines_next(&reader->lines, reader->input.size == 0, line)) ==
           CSV_NEEDS_INPUT) {
        size_t room;
        char *to = csv_lines_room(&reader->lines, &room);
        assert(room > 0);
        size_t size = room < reader->piece_size ? room : reader->piece_size;
        size = size < reader->input.size ? size : reader->input.size;
        memcpy(to, reader->input.data, size);
        csv_lines_fill(&reader->lines, size);
        reader->input = slice_make(reader->input.data + size, reader->input.size - size);
    }
    return event;
}

/* The first line of the input, with its end. */
static struct slice first_line(struct slice input)
{
    const char *feed = input.size == 0 ? NULL : memchr(input.data, '\n', input.size);
    return slice_make(input.data, feed == NULL ? input.size : (size_t)(feed + 1 - input.data));
}

/* What comes out is the input, line by line. */
static void check_lines(struct slice input, size_t piece_size)
{
    static struct reader reader;
    struct slice expected = {NULL, 0}, line;
    enum csv_event event;
    int64_t number = 0;
    reader.input = input;
    reader.piece_size = piece_size;
    reader.lines = csv_lines_over(reader.buffer, sizeof reader.buffer);
    while ((event = next(&reader, &line)) != CSV_END) {
        bool is_rest = event == CSV_LONG_REST;
        assert(line.size > 0 && is_rest == (expected.size > 0));
        if (!is_rest) {
            expected = first_line(input);
            assert((event == CSV_LINE) == (expected.size <= CSV_LINE_SIZE_MAX_BYTES));
            number++;
        }
        assert(line.size <= expected.size && memcmp(line.data, expected.data, line.size) == 0);
        assert(reader.lines.number == number);
        expected = slice_make(expected.data + line.size, expected.size - line.size);
        input = slice_make(input.data + line.size, input.size - line.size);
        if (event == CSV_LINE) {
            assert(expected.size == 0);
            check_fields(csv_line_content(line));
        }
    }
    assert(input.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) {
        size_t piece_size = data[0] < 128 ? (size_t)data[0] + 1 : ((size_t)data[0] - 127) * 64;
        check_lines(fuzz_input(data + 1, size - 1), piece_size);
    }
    return 0;
}
