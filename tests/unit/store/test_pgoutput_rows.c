/* Which of our tables a message is about, and what its row says. */
#include "unit.h"

#include "rsvpd/base/text.h"
#include "rsvpd/store/pgoutput_rows.h"

#include <stdio.h>

enum { RSVPS = 7, LIKES = 8, WAITLIST = 9, EVENTS = 10, OTHER = 11, MESSAGE_SIZE = 512 };

/* A message under construction. */
struct maker {
    struct text text;
    char bytes[MESSAGE_SIZE];
};

static void add_uint(struct maker *maker, unsigned value, int size)
{
    for (int i = size - 1; i >= 0; i--) {
        const char byte = (char)(value >> 8 * i);
        text_add(&maker->text, slice_make(&byte, 1));
    }
}

static unsigned count_of(const char *const *words)
{
    unsigned count = 0;
    while (words[count] != NULL) {
        count++;
    }
    return count;
}

/* Describes a table of a schema. */
static const char *describe_in(struct pgoutput_tables *tables, const char *schema,
                               unsigned relation, const char *name, const char *const *columns)
{
    struct maker maker;
    struct pgoutput_message message;
    maker.text = text_over(maker.bytes, sizeof maker.bytes);
    text_add_cstr(&maker.text, "R");
    add_uint(&maker, relation, 4);
    text_add(&maker.text, slice_make(schema, strlen(schema) + 1));
    text_add(&maker.text, slice_make(name, strlen(name) + 1));
    text_add_cstr(&maker.text, "d");
    add_uint(&maker, count_of(columns), 2);
    for (size_t i = 0; columns[i] != NULL; i++) {
        add_uint(&maker, 0, 1);
        text_add(&maker.text, slice_make(columns[i], strlen(columns[i]) + 1));
        add_uint(&maker, 25, 4);
        add_uint(&maker, 0, 4);
    }
    assert_true(pgoutput_read_message(text_slice(&maker.text), &message));
    return pgoutput_tables_describe(tables, &message);
}

static const char *describe(struct pgoutput_tables *tables, unsigned relation, const char *name,
                            const char *const *columns)
{
    return describe_in(tables, "public", relation, name, columns);
}

#define COLUMNS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void add_row(struct maker *maker, char which, const char *const *values)
{
    text_add(&maker->text, slice_make(&which, 1));
    add_uint(maker, count_of(values), 2);
    for (size_t i = 0; values[i] != NULL; i++) {
        if (strcmp(values[i], "NULL") == 0) {
            text_add_cstr(&maker->text, "n");
        } else {
            text_add_cstr(&maker->text, "t");
            add_uint(maker, (unsigned)strlen(values[i]), 4);
            text_add_cstr(&maker->text, values[i]);
        }
    }
}

/* Reads a row: `before` and `after` are NULL where there is none. The message lives until the next
 * one. */
static enum pgoutput_row_result read_row(const struct pgoutput_tables *tables, char kind,
                                         unsigned relation, const char *const *before,
                                         const char *const *after, struct changes_row *row)
{
    static struct maker maker;
    struct pgoutput_message message;
    maker.text = text_over(maker.bytes, sizeof maker.bytes);
    text_add(&maker.text, slice_make(&kind, 1));
    add_uint(&maker, relation, 4);
    if (before != NULL) {
        add_row(&maker, 'O', before);
    }
    if (after != NULL) {
        add_row(&maker, 'N', after);
    }
    assert_true(pgoutput_read_message(text_slice(&maker.text), &message));
    return pgoutput_tables_read(tables, &message, row);
}

static struct pgoutput_tables described(void)
{
    struct pgoutput_tables tables;
    pgoutput_tables_begin(&tables, "public");
    assert_null(describe(&tables, RSVPS, "rsvps", COLUMNS("event_id", "user_id", "created_at")));
    assert_null(describe(&tables, LIKES, "likes", COLUMNS("post_id", "user_id", "created_at")));
    assert_null(describe(&tables, WAITLIST, "waitlist",
                         COLUMNS("event_id", "ticket", "user_id", "created_at")));
    assert_null(
        describe(&tables, EVENTS, "events",
                 COLUMNS("event_id", "capacity", "waitlist", "opens_at", "closes_at", "waiting",
                         "last_ticket", "passed_ticket", "promoting_at", "releasing")));
    assert_null(describe(&tables, OTHER, "rsvp_counters", COLUMNS("event_id", "count")));
    return tables;
}

static void test_members(NO_STATE)
{
    const struct pgoutput_tables tables = described();
    struct changes_row row;
    assert_int_equal(
        read_row(&tables, 'I', RSVPS, NULL, COLUMNS("e", "u", "2026-11-22 10:15:30+00"), &row),
        PGOUTPUT_ROW);
    assert_int_equal(row.table, CHANGES_RSVPS);
    assert_int_equal(row.operation, CHANGES_INSERT);
    unit_expect_text("entity", row.entity, "e");
    unit_expect_text("user", row.user, "u");
    assert_false(row.placeholder);
    assert_int_equal(
        read_row(&tables, 'I', LIKES, NULL, COLUMNS("p", "u", "4714-11-24 00:00:00+00 BC"), &row),
        PGOUTPUT_ROW);
    assert_int_equal(row.table, CHANGES_LIKES);
    assert_true(row.placeholder);
    assert_int_equal(read_row(&tables, 'D', RSVPS, COLUMNS("e", "u", "NULL"), NULL, &row),
                     PGOUTPUT_ROW);
    assert_int_equal(row.operation, CHANGES_DELETE);
    unit_expect_text("user", row.user, "u");
    assert_int_equal(
        read_row(&tables, 'D', WAITLIST, COLUMNS("e", "NULL", "w", "NULL"), NULL, &row),
        PGOUTPUT_ROW);
    assert_int_equal(row.table, CHANGES_WAITLIST);
    unit_expect_text("user", row.user, "w");
}

static void test_settings(NO_STATE)
{
    const struct pgoutput_tables tables = described();
    struct changes_row row;
    assert_int_equal(read_row(&tables, 'U', EVENTS,
                              COLUMNS("e", "5", "t", "NULL", "NULL", "0", "0", "0", "NULL", "f"),
                              COLUMNS("e", "NULL", "f", "NULL", "x", "3", "3", "0", "NULL", "t"),
                              &row),
                     PGOUTPUT_ROW);
    assert_int_equal(row.table, CHANGES_EVENTS);
    assert_true(row.before_known);
    unit_expect_text("capacity", row.before.values[0], "5");
    assert_null(row.after.values[0].data);
    unit_expect_text("closes_at", row.after.values[3], "x");
    assert_false(row.before.releasing);
    assert_true(row.after.releasing);
    /* Where the log has the key alone. */
    assert_int_equal(read_row(&tables, 'D', EVENTS,
                              COLUMNS("e", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL", "NULL",
                                      "NULL", "NULL"),
                              NULL, &row),
                     PGOUTPUT_ROW);
    assert_false(row.before_known);
}

/* It neither counts nor takes the place of ours, whatever it looks like. */
static void test_tables_of_other_schemas(NO_STATE)
{
    struct pgoutput_tables tables = described();
    struct changes_row row;
    assert_null(describe_in(&tables, "copy", 20, "rsvps", COLUMNS("user_id", "event_id")));
    assert_null(describe_in(&tables, "", 21, "likes", COLUMNS("post_id")));
    assert_int_equal(read_row(&tables, 'I', 20, NULL, COLUMNS("u", "e"), &row), PGOUTPUT_NO_ROW);
    assert_int_equal(read_row(&tables, 'I', 21, NULL, COLUMNS("p"), &row), PGOUTPUT_NO_ROW);
    assert_int_equal(read_row(&tables, 'I', RSVPS, NULL, COLUMNS("e", "u", "2026"), &row),
                     PGOUTPUT_ROW);
    assert_null(describe_in(&tables, "old", RSVPS, "rsvps", COLUMNS("event_id"))); /* it moved */
    assert_int_equal(read_row(&tables, 'I', RSVPS, NULL, COLUMNS("e"), &row), PGOUTPUT_NO_ROW);
}

static void test_other_tables_and_columns(NO_STATE)
{
    struct pgoutput_tables tables = described();
    struct changes_row row;
    assert_int_equal(read_row(&tables, 'I', OTHER, NULL, COLUMNS("e", "1"), &row), PGOUTPUT_NO_ROW);
    assert_int_equal(read_row(&tables, 'I', 99, NULL, COLUMNS("e"), &row), PGOUTPUT_NO_ROW);
    assert_int_equal(read_row(&tables, 'I', 0, NULL, COLUMNS("e"), &row), PGOUTPUT_NO_ROW);
    /* A column has been added in front, and the table is described anew. */
    assert_null(describe(&tables, RSVPS, "rsvps",
                         COLUMNS("colour", "event_id", "user_id", "created_at", "shape")));
    assert_int_equal(
        read_row(&tables, 'I', RSVPS, NULL, COLUMNS("red", "e", "u", "2026", "round"), &row),
        PGOUTPUT_ROW);
    unit_expect_text("entity", row.entity, "e");
    /* It has been renamed. */
    assert_null(describe(&tables, RSVPS, "old_rsvps", COLUMNS("event_id", "user_id")));
    assert_int_equal(read_row(&tables, 'I', RSVPS, NULL, COLUMNS("e", "u"), &row), PGOUTPUT_NO_ROW);
}

static void test_what_is_missing(NO_STATE)
{
    struct pgoutput_tables tables = described();
    struct changes_row row;
    assert_string_equal(describe(&tables, 20, "likes", COLUMNS("post_id", "created_at")),
                        "user_id");
    assert_string_equal(describe(&tables, 21, "events", COLUMNS("event_id")), "capacity");
    assert_int_equal(read_row(&tables, 'I', RSVPS, NULL, COLUMNS("e", "u"), &row),
                     PGOUTPUT_BAD_ROW);
    assert_int_equal(read_row(&tables, 'I', RSVPS, NULL, COLUMNS("e", "NULL", "2026"), &row),
                     PGOUTPUT_BAD_ROW);
    assert_int_equal(
        read_row(&tables, 'D', WAITLIST, COLUMNS("e", "5", "NULL", "NULL"), NULL, &row),
        PGOUTPUT_BAD_ROW);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_tables_of_other_schemas),
        cmocka_unit_test(test_other_tables_and_columns),
        cmocka_unit_test(test_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
