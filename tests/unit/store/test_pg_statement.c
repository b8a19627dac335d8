/* What rows are set against: the operations of a sorted batch, and our clocks. */
#include "unit.h"

#include "rsvpd/store/pg_statement.h"

#include <libpq-fe.h>

static void test_where_an_operation_stands(NO_STATE)
{
    static struct operation operations[4];
    static const char *const ids[4][2] = {{"a", "u2"}, {"b", "u1"}, {"b", "u3"}, {"d", "u1"}};
    static const struct {
        const char *entity, *user;
        size_t place;
    } cases[] = {
        {"a", "u1", 0}, {"a", "u2", 0}, {"a", "u3", 1}, {"b", "u2", 2}, {"b", "u3", 2},
        {"b", NULL, 1}, {"c", NULL, 3}, {"d", "u1", 3}, {"d", "u2", 4}, {"e", NULL, 4},
    };
    struct batch batch = {.size = 4};
    for (size_t i = 0; i < batch.size; i++) {
        operations[i].entity = unit_id(ids[i][0]);
        operations[i].user = unit_id(ids[i][1]);
        batch.operations[i] = &operations[i];
    }
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct identifier entity = unit_id(cases[i].entity);
        struct identifier user = unit_id(cases[i].user == NULL ? "-" : cases[i].user);
        assert_int_equal(pg_row_lower_bound(&batch, &entity, cases[i].user == NULL ? NULL : &user),
                         cases[i].place);
    }
}

/* Rows of pairs find their operations in whatever order they come, with gaps and twice. */
static void test_rows_find_their_operations(NO_STATE)
{
    enum { SIZE = 3, ORDERS = 6, ROWS = 4 };
    static const char *const ids[SIZE][2] = {{"a", "u1"}, {"a", "u2"}, {"b", "u1"}};
    static const size_t orders[ORDERS][ROWS] = {
        {0, 1, 2, 0}, {2, 1, 0, 2}, {1, 2, 2, 1}, {0, 2, 1, 1}, {2, 2, 0, 0}, {1, 0, 1, 2},
    };
    static struct operation operations[SIZE];
    static struct batch batch = {.size = SIZE};
    static struct pg_exchange exchange;
    exchange.batch = &batch;
    for (size_t i = 0; i < SIZE; i++) {
        operations[i].entity = unit_id(ids[i][0]);
        operations[i].user = unit_id(ids[i][1]);
        batch.operations[i] = &operations[i];
    }
    for (size_t i = 0; i < ORDERS; i++) {
        char name[] = "id";
        PGresAttDesc columns[2] = {{.name = name, .typid = PG_TYPE_TEXT, .format = 1},
                                   {.name = name, .typid = PG_TYPE_TEXT, .format = 1}};
        PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
        assert_int_equal(PQsetResultAttrs(rows, 2, columns), 1);
        size_t next = 0;
        for (int row = 0; row < ROWS; row++) {
            const struct operation *operation = &operations[orders[i][row]];
            for (int column = 0; column < 2; column++) {
                struct identifier id = column == 0 ? operation->entity : operation->user;
                assert_int_equal(PQsetvalue(rows, row, column, id.data, id.size), 1);
            }
            assert_ptr_equal(pg_row_operation_of(&exchange, rows, row, &next), operation);
            assert_int_equal(next, orders[i][row] + 1);
        }
        PQclear(rows);
    }
}

/* The server's clock counts between sending and receiving, and not outside of them. */
static void test_as_of(NO_STATE)
{
    enum { SENT_US = 1000, SENT_WALL_US = 50000, TOOK_US = 300 };
    static const struct {
        int64_t server_wall_us, since_sent_us;
    } cases[] = {
        {SENT_WALL_US, 0},
        {SENT_WALL_US + 120, 120},
        {SENT_WALL_US + TOOK_US, TOOK_US},
        {SENT_WALL_US + TOOK_US + 1, TOOK_US},
        {SENT_WALL_US - 1, 0},
        {0, 0},
        {INT64_MAX, TOOK_US},
    };
    static struct pg_exchange exchange = {.sent = {.mono_us = SENT_US, .wall_us = SENT_WALL_US}};
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct count count = {.stale = true};
        pg_row_set_as_of(&exchange, &count, cases[i].server_wall_us,
                         (struct instant){.mono_us = SENT_US + TOOK_US});
        assert_int_equal(count.as_of_mono_us, SENT_US + cases[i].since_sent_us);
        assert_int_equal(count.as_of_wall_us, SENT_WALL_US + cases[i].since_sent_us);
        assert_false(count.stale);
    }
}

enum { INT4 = 23, TIMESTAMP = 1114 };

/* Rows of one column, one of them: NULL where `size` is negative. */
static PGresult *rows_of(Oid type, int format, int size)
{
    static char bytes[16];
    PGresAttDesc column = {.name = bytes, .typid = type, .typlen = -1, .format = format};
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(rows, 1, &column), 1);
    assert_int_equal(PQsetvalue(rows, 0, 0, size < 0 ? NULL : bytes, size), 1);
    return rows;
}

static void test_rows_are_held_to_their_columns(NO_STATE)
{
    static const struct {
        const char *columns;
        Oid type;
        int format, size;
        bool fit;
    } cases[] = {
        {"n", PG_TYPE_INT8, 1, 8, true},
        {"n", PG_TYPE_INT8, 1, 4, false},
        {"n", PG_TYPE_INT8, 1, 0, false},
        {"n", PG_TYPE_INT8, 1, 7, false},
        {"n", PG_TYPE_INT8, 1, 9, false},
        {"n", PG_TYPE_INT8, 1, 16, false},
        {"n", PG_TYPE_INT8, 1, -1, false},
        {"N", PG_TYPE_INT8, 1, -1, true},
        {"N", PG_TYPE_INT8, 1, 8, true},
        {"N", PG_TYPE_INT8, 1, 4, false},
        {"n", INT4, 1, 4, false},
        {"n", INT4, 1, 8, false},
        {"n", PG_TYPE_TIMESTAMPTZ, 1, 8, false},
        {"n", PG_TYPE_INT8, 0, 8, false},
        {"t", PG_TYPE_TIMESTAMPTZ, 1, 8, true},
        {"t", PG_TYPE_TIMESTAMPTZ, 1, 4, false},
        {"t", PG_TYPE_TIMESTAMPTZ, 1, -1, false},
        {"T", PG_TYPE_TIMESTAMPTZ, 1, -1, true},
        {"t", TIMESTAMP, 1, 8, false},
        {"s", PG_TYPE_TEXT, 1, 0, true},
        {"s", PG_TYPE_TEXT, 1, 16, true},
        {"s", PG_TYPE_TEXT, 1, -1, false},
        {"s", PG_TYPE_INT8, 1, 8, false},
        {"", PG_TYPE_TEXT, 1, 1, false},
        {"ss", PG_TYPE_TEXT, 1, 1, false},
        {NULL, INT4, 0, 3, true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        PGresult *rows = rows_of(cases[i].type, cases[i].format, cases[i].size);
        if (pg_rows_fit(rows, cases[i].columns) != cases[i].fit) {
            fail_msg("case %zu", i);
        }
        PQclear(rows);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_an_operation_stands),
        cmocka_unit_test(test_rows_find_their_operations),
        cmocka_unit_test(test_as_of),
        cmocka_unit_test(test_rows_are_held_to_their_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
