/* Messages of logical replication, made by hand as PostgreSQL's manual has them, and what is read
 * from them; and what is none. */
#include "unit.h"

#include "rsvpd/store/pgoutput.h"

/* 2026-11-22T10:15:30.123456Z, as Unix time; PostgreSQL counts from 2000-01-01. */
#define COMMITTED_US INT64_C(1795342530123456)
#define COMMITTED_BYTES "\x00\x03\x03\xd9\x86\x8a\x36\xc0"
#define BYTES(literal) slice_make(literal, sizeof(literal) - 1)

static void test_a_transaction(NO_STATE)
{
    struct pgoutput_message message;
    assert_true(pgoutput_read_message(
        BYTES("B\x00\x00\x00\x01\x01\x6b\x37\x48" COMMITTED_BYTES "\x00\x00\x02\xe9"), &message));
    assert_int_equal(message.kind, PGOUTPUT_BEGIN);
    assert_int_equal(message.lsn, 0x1016b3748);
    assert_int_equal(message.committed_us, COMMITTED_US);
    assert_true(pgoutput_read_message(BYTES("C\x00\x00\x00\x00\x01\x01\x6b\x37\x48\x00\x00\x00\x01"
                                            "\x01\x6b\x37\x78" COMMITTED_BYTES),
                                      &message));
    assert_int_equal(message.kind, PGOUTPUT_COMMIT);
    assert_int_equal(message.lsn, 0x1016b3748);
    assert_int_equal(message.end_lsn, 0x1016b3778);
    assert_int_equal(message.committed_us, COMMITTED_US);
}

/* Text has the type 25, and here no modifier. */
#define TEXT "\x00\x00\x00\x19\xff\xff\xff\xff"

static void test_a_table(NO_STATE)
{
    struct pgoutput_message message;
    struct slice name;
    assert_true(pgoutput_read_message(BYTES("R\x00\x00\x40\x05"
                                            "public\0rsvps\0d\x00\x02"
                                            "\x01"
                                            "event_id\0" TEXT "\x00"
                                            "user_id\0" TEXT),
                                      &message));
    assert_int_equal(message.kind, PGOUTPUT_RELATION);
    assert_int_equal(message.relation, 0x4005);
    unit_expect_text("table", message.name, "rsvps");
    assert_true(pgoutput_next_name(&message.columns, &name));
    unit_expect_text("first", name, "event_id");
    assert_true(pgoutput_next_name(&message.columns, &name));
    unit_expect_text("second", name, "user_id");
    assert_false(pgoutput_next_name(&message.columns, &name));
}

static void expect_column(struct pgoutput_columns *columns, const char *expected)
{
    struct pgoutput_value value;
    assert_true(pgoutput_next_value(columns, &value));
    assert_true(value.known);
    if (expected == NULL) {
        assert_null(value.bytes.data);
    } else {
        unit_expect_text("value", value.bytes, expected);
    }
}

static void expect_end(struct pgoutput_columns *columns)
{
    struct pgoutput_value value;
    assert_false(pgoutput_next_value(columns, &value));
}

static void test_rows(NO_STATE)
{
    struct pgoutput_message message;
    struct pgoutput_value value;
    assert_true(pgoutput_read_message(BYTES("I\x00\x00\x40\x05N\x00\x03t\x00\x00\x00\x04"
                                            "101at\x00\x00\x00\x00n"),
                                      &message));
    assert_int_equal(message.kind, PGOUTPUT_INSERT);
    assert_int_equal(message.relation, 0x4005);
    assert_false(message.has_before);
    expect_column(&message.after, "101a");
    expect_column(&message.after, "");
    expect_column(&message.after, NULL);
    expect_end(&message.after);

    assert_true(pgoutput_read_message(BYTES("U\x00\x00\x40\x05O\x00\x01t\x00\x00\x00\x01"
                                            "aN\x00\x02t\x00\x00\x00\x01"
                                            "bu"),
                                      &message));
    assert_int_equal(message.kind, PGOUTPUT_UPDATE);
    assert_true(message.has_before);
    expect_column(&message.before, "a");
    expect_end(&message.before);
    expect_column(&message.after, "b");
    assert_true(pgoutput_next_value(&message.after, &value));
    assert_false(value.known);
    expect_end(&message.after);

    assert_true(pgoutput_read_message(BYTES("U\x00\x00\x40\x05N\x00\x00"), &message));
    assert_int_equal(message.kind, PGOUTPUT_UPDATE);
    assert_false(message.has_before);

    assert_true(
        pgoutput_read_message(BYTES("D\x00\x00\x40\x05K\x00\x01t\x00\x00\x00\x01u"), &message));
    assert_int_equal(message.kind, PGOUTPUT_DELETE);
    assert_true(message.has_before);
    expect_column(&message.before, "u");
    expect_end(&message.before);
}

static void test_what_is_not_looked_at(NO_STATE)
{
    const struct slice messages[] = {
        BYTES("T\x00\x00\x00\x01\x00\x00\x00\x40\x05"),
        BYTES("Y\x00\x00\x40\x05public\0mood\0"),
        BYTES("O\x00\x00\x00\x00\x01\x6b\x37\x48node\0"),
        BYTES("M\x00\x00\x00\x00\x00\x01\x6b\x37\x48prefix\0\x00\x00\x00\x01x"),
    };
    for (size_t i = 0; i < LENGTH(messages); i++) {
        struct pgoutput_message message;
        assert_true(pgoutput_read_message(messages[i], &message));
        assert_int_equal(message.kind, PGOUTPUT_OTHER);
    }
}

/* Every message with its end missing, and with a byte too many, is refused. */
static void test_cut_short_and_too_long(NO_STATE)
{
    const struct slice messages[] = {
        BYTES("B\x00\x00\x00\x01\x01\x6b\x37\x48" COMMITTED_BYTES "\x00\x00\x02\xe9"),
        BYTES("C\x00\x00\x00\x00\x01\x01\x6b\x37\x48\x00\x00\x00\x01\x01\x6b\x37"
              "\x78" COMMITTED_BYTES),
        BYTES("R\x00\x00\x40\x05public\0rsvps\0d\x00\x01\x01x\0" TEXT),
        BYTES("I\x00\x00\x40\x05N\x00\x02t\x00\x00\x00\x01xn"),
        BYTES("U\x00\x00\x40\x05K\x00\x01nN\x00\x01u"),
        BYTES("D\x00\x00\x40\x05O\x00\x01t\x00\x00\x00\x02xy"),
    };
    for (size_t i = 0; i < LENGTH(messages); i++) {
        char longer[128];
        struct pgoutput_message message;
        for (size_t size = 0; size < messages[i].size; size++) {
            assert_false(pgoutput_read_message(slice_make(messages[i].data, size), &message));
        }
        memcpy(longer, messages[i].data, messages[i].size);
        longer[messages[i].size] = 'n';
        assert_true(pgoutput_read_message(messages[i], &message));
        assert_false(pgoutput_read_message(slice_make(longer, messages[i].size + 1), &message));
    }
}

static void test_what_is_no_message(NO_STATE)
{
    const struct slice messages[] = {
        BYTES("X"),                                   /* no kind */
        BYTES("I\x00\x00\x40\x05K\x00\x00"),          /* an insert of what was before */
        BYTES("D\x00\x00\x40\x05N\x00\x00"),          /* a removal of what is after */
        BYTES("U\x00\x00\x40\x05K\x00\x00K\x00\x00"), /* an update that leaves nothing */
        BYTES("I\x00\x00\x40\x05N\x00\x01x"),         /* no kind of value */
        BYTES("I\x00\x00\x40\x05N\x00\x01t\xff\xff\xff\xffx"),
        BYTES("I\x00\x00\x40\x05N\xff\xff"),
    };
    for (size_t i = 0; i < LENGTH(messages); i++) {
        struct pgoutput_message message;
        assert_false(pgoutput_read_message(messages[i], &message));
    }
}

static void test_frames(NO_STATE)
{
    struct pgoutput_frame frame;
    assert_true(pgoutput_read_frame(BYTES("w\x00\x00\x00\x00\x00\x00\x00\x01"
                                          "\x00\x00\x00\x00\x00\x00\x00\x01" COMMITTED_BYTES "Bx"),
                                    &frame));
    assert_int_equal(frame.kind, PGOUTPUT_DATA);
    unit_expect_text("message", frame.message, "Bx");
    assert_true(pgoutput_read_frame(
        BYTES("k\x00\x00\x00\x01\x00\x00\x00\x02" COMMITTED_BYTES "\x01"), &frame));
    assert_int_equal(frame.kind, PGOUTPUT_KEEPALIVE);
    assert_int_equal(frame.end_lsn, 0x100000002);
    assert_true(frame.reply_requested);
    assert_true(pgoutput_read_frame(
        BYTES("k\x00\x00\x00\x01\x00\x00\x00\x02" COMMITTED_BYTES "\x00"), &frame));
    assert_false(frame.reply_requested);
    assert_false(pgoutput_read_frame(BYTES("w\x00\x00"), &frame));
    assert_false(
        pgoutput_read_frame(BYTES("k\x00\x00\x00\x01\x00\x00\x00\x02" COMMITTED_BYTES), &frame));
    assert_false(pgoutput_read_frame(BYTES("z"), &frame));
    assert_false(pgoutput_read_frame(slice_make("", 0), &frame));
}

static void test_what_is_told(NO_STATE)
{
    char status[PGOUTPUT_STATUS_SIZE_BYTES];
    pgoutput_write_status(0x100000002, COMMITTED_US, false, status);
    unit_expect_bytes("status", slice_make(status, sizeof status),
                      BYTES("r\x00\x00\x00\x01\x00\x00\x00\x02"
                            "\x00\x00\x00\x01\x00\x00\x00\x02"
                            "\x00\x00\x00\x01\x00\x00\x00\x02" COMMITTED_BYTES "\x00"));
    pgoutput_write_status(0, COMMITTED_US, true, status);
    assert_int_equal(status[PGOUTPUT_STATUS_SIZE_BYTES - 1], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_transaction),
        cmocka_unit_test(test_a_table),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_what_is_not_looked_at),
        cmocka_unit_test(test_cut_short_and_too_long),
        cmocka_unit_test(test_what_is_no_message),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_what_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
