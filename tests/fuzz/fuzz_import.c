/* Files of an import: a row that was read, written again under the same header, is read as the same
 * row; whatever is refused is refused with one line of text. */
#include "fuzz.h"

#include "rsvpd/domain/import_row.h"

#include <stdlib.h>

enum { ROW_SIZE_BYTES = 512 };

static void expect_explained(const struct import_problem *problem)
{
    size_t size = strnlen(problem->text, sizeof problem->text);
    assert(size > 0 && size < sizeof problem->text);
    for (size_t i = 0; i < size; i++) {
        assert((unsigned char)problem->text[i] >= ' ');
    }
}

/* With all six digits of its fraction. */
static void add_time(struct text *line, int64_t unix_us)
{
    text_add_time(line, unix_us / 1000);
    line->size--; /* the Z */
    text_add_format(line, "%03dZ", (int)(unix_us % 1000));
}

static void add_field(struct text *line, int field, const struct import_row *row)
{
    const struct settings *settings = &row->settings;
    const int setting = field - IMPORT_SETTING; /* an enum setting; negative: none */
    if (field == IMPORT_ENTITY) {
        text_add(line, identifier_slice(&row->entity));
    } else if (field == IMPORT_USER) {
        text_add(line, identifier_slice(&row->user));
    } else if (field == IMPORT_CREATED_AT && row->created_us != IMPORT_NOW) {
        add_time(line, row->created_us);
    } else if (setting == SETTING_CAPACITY && settings->limited) {
        text_add_int(line, settings->capacity);
    } else if (setting == SETTING_WAITLIST) {
        text_add_cstr(line, settings->waitlist ? "t" : "f");
    } else if (setting == SETTING_OPENS_AT && settings->opens) {
        add_time(line, settings->opens_at_us);
    } else if (setting == SETTING_CLOSES_AT && settings->closes) {
        add_time(line, settings->closes_at_us);
    }
}

static void add_row(struct text *line, const struct import_columns *columns,
                    const struct import_row *row)
{
    for (int place = 0; place < (int)columns->count; place++) {
        text_add_cstr(line, place == 0 ? "" : ",");
        for (int field = 0; field < IMPORT_FIELD_COUNT; field++) {
            if (columns->places[field] == place) {
                add_field(line, field, row);
            }
        }
    }
    assert(!line->truncated);
}

static bool settings_equal(const struct settings *a, const struct settings *b)
{
    return a->given == b->given && a->limited == b->limited && a->capacity == b->capacity &&
           a->waitlist == b->waitlist && a->opens == b->opens && a->closes == b->closes &&
           a->opens_at_us == b->opens_at_us && a->closes_at_us == b->closes_at_us;
}

static void check_row(struct slice line, const struct import_columns *columns)
{
    struct import_row row, again;
    struct import_problem problem;
    char buffer[ROW_SIZE_BYTES];
    struct text written = text_over(buffer, sizeof buffer);
    if (!import_read_row(line, columns, &row, &problem)) {
        expect_explained(&problem);
        return;
    }
    assert(columns->places[IMPORT_CREATED_AT] >= 0 || row.created_us == IMPORT_NOW);
    add_row(&written, columns, &row);
    bool valid = import_read_row(text_slice(&written), columns, &again, &problem);
    assert(valid && row.created_us == again.created_us);
    assert(identifier_equal(&row.entity, &again.entity));
    assert(identifier_equal(&row.user, &again.user));
    assert(settings_equal(&row.settings, &again.settings));
}

/* The file's next line without its end; a line that is too long is cut off. */
static struct slice next_line(struct slice *rest)
{
    struct slice line = csv_line_content(slice_cut(rest, '\n'));
    line.size = line.size < CSV_LINE_SIZE_MAX_BYTES ? line.size : CSV_LINE_SIZE_MAX_BYTES;
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int i = 0; i < IMPORT_KIND_COUNT; i++) {
        struct slice rest = fuzz_input(data, size);
        struct import_columns columns;
        struct import_problem problem;
        struct slice header = csv_without_mark(next_line(&rest));
        if (!import_read_header(header, &import_kinds[i], &columns, &problem)) {
            expect_explained(&problem);
            continue;
        }
        assert(columns.count >= 2 && columns.count <= IMPORT_FIELD_COUNT);
        while (rest.size > 0) {
            check_row(next_line(&rest), &columns);
        }
    }
    return 0;
}
