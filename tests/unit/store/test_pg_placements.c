/* What an engine says of its shards: as many as can be, each in one copy, none on the coordinator.
 */
#include "unit.h"

#include "rsvpd/store/pg_placements.h"

#include <libpq-fe.h>
#include <stdio.h>

enum { COLUMNS = 3 };

struct row {
    const char *values[COLUMNS];
};

static PGresult *make_rows(const struct row *rows, int count)
{
    char no_name[] = "";
    PGresAttDesc columns[COLUMNS] = {{.name = no_name}, {.name = no_name}, {.name = no_name}};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(result, COLUMNS, columns), 1);
    for (int i = 0; i < count * COLUMNS; i++) {
        char value[32];
        snprintf(value, sizeof value, "%s", rows[i / COLUMNS].values[i % COLUMNS]);
        assert_int_equal(PQsetvalue(result, i / COLUMNS, i % COLUMNS, value, (int)strlen(value)),
                         1);
    }
    return result;
}

static void test_shards(NO_STATE)
{
    static const struct {
        int count;
        struct row rows[3];
        const char *problem; /* begins like this; NULL: none */
    } cases[] = {
        {0, {{{NULL}}}, "rsvps must have"},
        {1, {{{"-2147483648", "102008", "1"}}}, NULL},
        {2, {{{"-2147483648", "102008", "1"}}, {{"0", "102009", "2"}}}, NULL},
        /* in several copies */
        {2,
         {{{"-2147483648", "102008", "1"}}, {{"-2147483648", "102008", "2"}}},
         "rsvps must have"},
        {3,
         {{{"-2147483648", "102008", "1"}}, {{"0", "102009", "2"}}, {{"0", "102009", "1"}}},
         "rsvps must have"},
        /* out of order */
        {2, {{{"0", "102009", "2"}}, {{"-2147483648", "102008", "1"}}}, "rsvps must have"},
        {2,
         {{{"-2147483648", "102008", "1"}}, {{"0", "102009", "0"}}},
         "a shard of rsvps is on the coordinator"},
    };
    static struct placements placements;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        PGresult *rows = make_rows(cases[i].rows, cases[i].count);
        const char *problem, *expected = cases[i].problem;
        assert_int_equal(pg_placements_parse(rows, &placements, 1000 + (int64_t)i, &problem),
                         expected == NULL);
        assert_true(expected == NULL || strncmp(problem, expected, strlen(expected)) == 0);
        assert_int_equal(placements.read_at_us, 1000 + i);
        assert_int_equal(placements.count, expected == NULL ? cases[i].count : 0);
        PQclear(rows);
    }
    assert_int_equal(placements.count, 0);
}

static void test_their_number(NO_STATE)
{
    static char digits[PLACEMENTS_MAX + 1][16];
    static struct row rows[PLACEMENTS_MAX + 1];
    static struct placements placements;
    for (int i = 0; i <= PLACEMENTS_MAX; i++) {
        snprintf(digits[i], sizeof digits[i], "%d", i);
        rows[i] = (struct row){{digits[i], digits[i], "1"}};
    }
    for (int count = PLACEMENTS_MAX; count <= PLACEMENTS_MAX + 1; count++) {
        PGresult *result = make_rows(rows, count);
        const char *problem;
        assert_int_equal(pg_placements_parse(result, &placements, 1, &problem),
                         count <= PLACEMENTS_MAX);
        PQclear(result);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shards),
        cmocka_unit_test(test_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
