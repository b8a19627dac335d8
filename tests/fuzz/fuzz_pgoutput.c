/* What a server of logical replication may send. The input is a number of frames, each behind its
 * size in one byte: whatever they hold, what is read lies inside, and changes come out bounded and
 * numbered. */
#include "fuzz.h"

#include "rsvpd/domain/changes.h"
#include "rsvpd/store/pgoutput_rows.h"

enum { HELD_MAX = 4 };

static bool lies_in(struct slice part, struct slice whole)
{
    return part.data == NULL || part.size == 0 ||
           (part.data >= whole.data && part.data + part.size <= whole.data + whole.size);
}

static void check_columns(struct pgoutput_columns columns, struct slice bytes, bool names)
{
    struct pgoutput_value value;
    struct slice name;
    size_t count = columns.left;
    while (names ? pgoutput_next_name(&columns, &name) : pgoutput_next_value(&columns, &value)) {
        assert(lies_in(names ? name : value.bytes, bytes));
        count--;
    }
    assert(count == 0);
}

static void take_changes(struct changes *changes, uint64_t *number)
{
    struct change change;
    while (changes_next(changes, &change)) {
        assert(change.type < CHANGE_TYPE_COUNT && change.number == ++*number);
        assert(change.entity.size > 0 && change.entity.size <= CHANGES_ID_SIZE_MAX_BYTES);
        assert((change.user.size > 0) == change_types[change.type].has_user);
    }
    assert(changes_has_room(changes));
}

static void take_row(const struct pgoutput_tables *tables, const struct pgoutput_message *message,
                     struct slice bytes, struct changes *changes)
{
    struct changes_row row;
    if (pgoutput_tables_read(tables, message, &row) == PGOUTPUT_ROW) {
        assert(lies_in(row.entity, bytes) && lies_in(row.user, bytes));
        (void)!changes_add(changes, &row);
    }
}

static void take_message(struct slice bytes, struct pgoutput_tables *tables,
                         struct changes *changes, uint64_t *number)
{
    struct pgoutput_message message;
    if (!pgoutput_read_message(bytes, &message)) {
        return;
    }
    switch (message.kind) {
    case PGOUTPUT_BEGIN:
        changes_begin(changes);
        *number = 0;
        break;
    case PGOUTPUT_COMMIT:
        changes_end(changes);
        take_changes(changes, number);
        changes_begin(changes);
        *number = 0;
        break;
    case PGOUTPUT_RELATION:
        check_columns(message.columns, bytes, true);
        (void)!pgoutput_tables_describe(tables, &message);
        break;
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        check_columns(message.before, bytes, false);
        check_columns(message.after, bytes, false);
        take_row(tables, &message, bytes, changes);
        break;
    case PGOUTPUT_OTHER:
        break;
    }
    take_changes(changes, number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = fuzz_input(data, size);
    struct pgoutput_tables tables;
    struct changes *changes = changes_create(HELD_MAX, 1);
    uint64_t number = 0;
    assert(changes != NULL);
    pgoutput_tables_begin(&tables, "public");
    while (rest.size > 0) {
        struct pgoutput_frame frame;
        size_t wanted = (unsigned char)rest.data[0];
        rest = slice_skip(rest, 1);
        wanted = wanted < rest.size ? wanted : rest.size;
        struct slice bytes = slice_make(rest.data, wanted);
        rest = slice_skip(rest, wanted);
        if (pgoutput_read_frame(bytes, &frame) && frame.kind == PGOUTPUT_DATA) {
            assert(lies_in(frame.message, bytes));
            take_message(frame.message, &tables, changes, &number);
        }
    }
    changes_destroy(&changes);
    return 0;
}
