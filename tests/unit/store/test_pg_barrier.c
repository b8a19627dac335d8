/* What the primary tells of its log. */
#include "unit.h"

#include "rsvpd/store/pg_barrier.h"

#include <libpq-fe.h>
#include <stdio.h>

enum { COLUMNS_MAX = 4 };

static const char place[] = "16/B374D848", timeline[] = "0000000A",
                  primary[] = "2027-02-03 04:05:06.789012+00";

/* A row of so many columns. */
static PGresult *make_row(const char *const *values, int columns)
{
    char name[] = "column";
    PGresAttDesc descriptions[COLUMNS_MAX] = {
        {.name = name}, {.name = name}, {.name = name}, {.name = name}};
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(rows, columns, descriptions), 1);
    for (int i = 0; i < columns; i++) {
        char value[128];
        int size = snprintf(value, sizeof value, "%s", values[i]);
        assert_int_equal(PQsetvalue(rows, 0, i, value, size), 1);
    }
    return rows;
}

static void test_a_barrier_is_read(NO_STATE)
{
    struct pg_barrier barrier;
    PGresult *rows = make_row((const char *const[]){place, timeline, primary}, 3);
    assert_true(pg_barrier_parse(&barrier, rows));
    assert_string_equal(barrier.place, place);
    assert_string_equal(barrier.timeline, timeline);
    assert_string_equal(barrier.primary, primary);
    PQclear(rows);
}

/* Less than a whole answer is none: nothing must be compared with a part of a place. */
static void test_what_is_no_barrier_is_refused(NO_STATE)
{
    static const char too_long[] = "012345678901234567890123456789012345678901234567890123456789";
    const struct {
        const char *values[COLUMNS_MAX];
        int columns;
    } cases[] = {
        {{"", timeline, primary}, 3},    {{place, "", primary}, 3},
        {{place, timeline, ""}, 3},      {{too_long, timeline, primary}, 3},
        {{place, too_long, primary}, 3}, {{place, timeline, too_long}, 3},
        {{place, timeline}, 2},          {{place, timeline, primary, place}, 4},
    };
    struct pg_barrier barrier;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        PGresult *rows = make_row(cases[i].values, cases[i].columns);
        if (pg_barrier_parse(&barrier, rows)) {
            fail_msg("case %zu is taken", i);
        }
        PQclear(rows);
    }
    PGresult *none = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_false(pg_barrier_parse(&barrier, none));
    PQclear(none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_barrier_is_read),
        cmocka_unit_test(test_what_is_no_barrier_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
