/* What is sent as one call, and what is made of its answer. No server: what libpq would send is
 * looked at. */
#include "unit.h"

#include "rsvpd/store/pg_exchange.h"
#include "rsvpd/store/pg_shard_call.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

enum { TYPE_BYTEA = 17, ENTITY = 0, SHARDS, TIME_OUT, LOCK_TIME_OUT, TEXTS, STATEMENTS, VALUES };

/* ---- what is sent ---- */

static struct {
    unsigned calls;
    char *values[VALUES];
    size_t sizes[VALUES];
} sent;

int __wrap_PQsendQueryPrepared(PGconn *connection, const char *name, int count,
                               const char *const *values, const int *sizes, const int *formats,
                               int result_format);

int __wrap_PQsendQueryPrepared(PGconn *connection, const char *name, int count,
                               const char *const *values, const int *sizes, const int *formats,
                               int result_format)
{
    assert_null(connection);
    assert_string_equal(name, "at_shards");
    assert_int_equal(count, VALUES);
    assert_int_equal(result_format, 1);
    sent.calls++;
    for (int i = 0; i < VALUES; i++) {
        sent.sizes[i] = formats[i] == 1 ? (size_t)sizes[i] : strlen(values[i]);
        free(sent.values[i]);
        sent.values[i] = malloc(sent.sizes[i] + 1);
        assert_non_null(sent.values[i]);
        memcpy(sent.values[i], values[i], sent.sizes[i]);
        sent.values[i][sent.sizes[i]] = '\0';
    }
    return 1;
}

static uint32_t number_at(const char *at)
{
    uint32_t number = 0;
    for (int i = 0; i < 4; i++) {
        number = number << 8 | (unsigned char)at[i];
    }
    return number;
}

/* An element of an array that was sent; fails where the array has no such one, or is not whole. */
static struct slice element(int value, uint32_t wanted)
{
    const char *array = sent.values[value];
    struct slice found = slice_make("", 0);
    size_t at = PG_ARRAY_HEADER_SIZE_BYTES;
    assert_int_equal(number_at(array), 1);
    assert_int_equal(number_at(array + 8), PG_TYPE_TEXT);
    uint32_t count = number_at(array + 12);
    assert_true(wanted < count);
    for (uint32_t i = 0; i < count; i++) {
        const size_t size = number_at(array + at);
        if (i == wanted) {
            found = slice_make(array + at + 4, size);
        }
        at += 4 + size;
    }
    assert_int_equal(at, sent.sizes[value]);
    return found;
}

static int free_sent(NO_STATE)
{
    for (int i = 0; i < VALUES; i++) {
        free(sent.values[i]);
    }
    memset(&sent, 0, sizeof sent);
    return 0;
}

/* ---- arguments ---- */

static struct pg_shard_call *call;
static struct operation operation;
static struct batch batch;

static int make_call(NO_STATE)
{
    call = pg_shard_call_create();
    operation = (struct operation){.entity = unit_id("e1"), .place = {.shard = 102008}};
    batch = (struct batch){.size = 1, .operations = {&operation}};
    return call == NULL;
}

static int free_call(void **state)
{
    pg_shard_call_destroy(&call);
    return free_sent(state);
}

static void expect_name(int value, uint32_t at, const char *name)
{
    const struct slice found = element(value, at);
    unit_expect_text(name, slice_make(found.data, strlen(name)), name);
    assert_int_equal(found.size, strlen(name) + 8);
}

/* What SQL has in place of the parameters. */
static void expect_arguments(const char *name, const struct pg_parameter *parameters, size_t count,
                             const char *expected)
{
    pg_shard_call_clear(call);
    pg_shard_call_enter(call, &operation);
    pg_shard_call_add_text(call, "rsvp_count", "SELECT 1");
    pg_shard_call_add(call, "rsvp_count", parameters, count, true);
    assert_true(pg_shard_call_queue(call, NULL, &batch, 2000000));
    expect_name(STATEMENTS, 3, "rsvp_count_");
    unit_expect_text(name, element(STATEMENTS, 4), expected);
    unit_expect_text(name, element(STATEMENTS, 5), "rows");
}

static struct pg_parameter text_parameter(const char *text)
{
    return (struct pg_parameter){text, strlen(text), PG_PARAMETER_TEXT};
}

static void test_texts(NO_STATE)
{
    static const struct {
        const char *text, *alone, *in_array;
    } cases[] = {
        {"", "('')", "('{\"\"}')"},
        {"a", "('a')", "('{\"a\"}')"},
        {"'", "('''')", "('{\"''\"}')"},
        {"\"", "('\"')", "('{\"\\\"\"}')"},
        {"\\", "('\\')", "('{\"\\\\\"}')"},
        {"a'b\"c\\d", "('a''b\"c\\d')", "('{\"a''b\\\"c\\\\d\"}')"},
        {"''", "('''''')", "('{\"''''\"}')"},
        {"\\'", "('\\''')", "('{\"\\\\''\"}')"},
        {"NULL", "('NULL')", "('{\"NULL\"}')"},
        {"{a,b}", "('{a,b}')", "('{\"{a,b}\"}')"},
        {"$1 -- :id", "('$1 -- :id')", "('{\"$1 -- :id\"}')"},
    };
    static struct pg_array array;
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct pg_parameter alone = text_parameter(cases[i].text);
        expect_arguments(cases[i].text, &alone, 1, cases[i].alone);
        pg_array_clear_text(&array);
        pg_array_add_text(&array, slice_of(cases[i].text));
        const struct pg_parameter parameter = pg_parameter_array(&array);
        expect_arguments(cases[i].text, &parameter, 1, cases[i].in_array);
    }
}

static void test_arrays(NO_STATE)
{
    static struct pg_array texts, numbers;
    pg_array_clear_text(&texts);
    pg_array_clear_int64(&numbers);
    const struct pg_parameter empty[] = {pg_parameter_array(&texts), pg_parameter_array(&numbers)};
    expect_arguments("empty arrays", empty, 2, "('{}','{}')");
    pg_array_add_text(&texts, slice_of("a"));
    pg_array_add_text(&texts, slice_of("b"));
    pg_array_add_int64(&numbers, INT64_MIN);
    pg_array_add_int64(&numbers, INT64_MAX);
    const struct pg_parameter full[] = {pg_parameter_array(&texts), pg_parameter_array(&numbers)};
    expect_arguments("arrays", full, 2,
                     "('{\"a\",\"b\"}','{-9223372036854775808,9223372036854775807}')");
}

static void test_numbers_and_times(NO_STATE)
{
    static const struct {
        int64_t number;
        const char *as_number, *as_time;
    } cases[] = {
        {0, "(0)",
         "('epoch'::timestamptz + 0 * interval '1 second' + 0 * interval '1 microsecond')"},
        {1234567, "(1234567)",
         "('epoch'::timestamptz + 1 * interval '1 second' + 234567 * interval '1 microsecond')"},
        {PG_TIME_MAX_US, "(253402300799999999)",
         "('epoch'::timestamptz + 253402300799 * interval '1 second' + 999999 * interval '1 "
         "microsecond')"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char bytes[PG_NUMBER_SIZE_BYTES];
        pg_encode_int64(cases[i].number, bytes);
        const struct pg_parameter number = pg_parameter_number(bytes);
        expect_arguments("number", &number, 1, cases[i].as_number);
        pg_encode_time_us(cases[i].number, bytes);
        const struct pg_parameter time = {bytes, sizeof bytes, PG_PARAMETER_TIME};
        expect_arguments("time", &time, 1, cases[i].as_time);
    }
}

static void test_what_is_not_there(NO_STATE)
{
    const struct pg_parameter none[] = {{NULL, 0, PG_PARAMETER_NUMBER},
                                        {NULL, 0, PG_PARAMETER_TIME},
                                        {NULL, 0, PG_PARAMETER_TEXT},
                                        {NULL, 0, PG_PARAMETER_ARRAY}};
    expect_arguments("NULLs", none, LENGTH(none), "(NULL,NULL,NULL,NULL)");
    expect_arguments("no arguments", NULL, 0, "");
}

static void test_a_call(NO_STATE)
{
    const struct operation other = {.place = {.shard = 102015}};
    pg_shard_call_clear(call);
    pg_shard_call_enter(call, &operation);
    assert_false(pg_shard_call_has_text(call, "one"));
    pg_shard_call_add_text(call, "one", "SELECT 1");
    pg_shard_call_add(call, "one", NULL, 0, true);
    pg_shard_call_enter(call, &other);
    assert_true(pg_shard_call_has_text(call, "one"));
    assert_false(pg_shard_call_has_text(call, "two"));
    pg_shard_call_add(call, "one", NULL, 0, true);
    pg_shard_call_add_text(call, "two", "SELECT 2");
    pg_shard_call_add(call, "two", NULL, 0, false);
    batch.short_lock_timeout = true;
    assert_true(pg_shard_call_queue(call, NULL, &batch, 2000000));
    assert_string_equal(sent.values[ENTITY], "e1");
    assert_string_equal(sent.values[SHARDS], "{102008,102015}");
    assert_string_equal(sent.values[TIME_OUT], "2000ms");
    assert_string_equal(sent.values[LOCK_TIME_OUT], "100ms");
    static const char *const statements[] = {"", "102008", "", NULL,   "",   "rows", "", "102015",
                                             "", NULL,     "", "rows", NULL, "",     ""};
    expect_name(TEXTS, 0, "one_");
    unit_expect_text("texts", element(TEXTS, 1), "SELECT 1");
    expect_name(TEXTS, 2, "two_");
    unit_expect_text("texts", element(TEXTS, 3), "SELECT 2");
    for (uint32_t i = 0; i < LENGTH(statements); i++) {
        if (statements[i] != NULL) {
            unit_expect_text("statements", element(STATEMENTS, i), statements[i]);
        }
    }
    assert_true(slice_equal(element(STATEMENTS, 3), element(TEXTS, 0)));
    assert_true(slice_equal(element(STATEMENTS, 9), element(TEXTS, 0)));
    assert_true(slice_equal(element(STATEMENTS, 12), element(TEXTS, 2)));
    assert_int_equal(number_at(sent.values[TEXTS] + 12), 4);
    assert_int_equal(number_at(sent.values[STATEMENTS] + 12), LENGTH(statements));
}

static void write_name_of(const char *sql, char name[64])
{
    pg_shard_call_clear(call);
    pg_shard_call_enter(call, &operation);
    pg_shard_call_add_text(call, "one", sql);
    pg_shard_call_add(call, "one", NULL, 0, true);
    assert_true(pg_shard_call_queue(call, NULL, &batch, 2000000));
    const struct slice found = element(TEXTS, 0);
    assert_true(found.size < 64);
    memcpy(name, found.data, found.size);
    name[found.size] = '\0';
}

/* A worker's session may have a statement of an older binary. */
static void test_another_text_has_another_name(NO_STATE)
{
    char name[64], again[64], of_another[64];
    write_name_of("SELECT 1", name);
    write_name_of("SELECT 1", again);
    write_name_of("SELECT 2", of_another);
    assert_string_equal(name, again);
    assert_string_not_equal(name, of_another);
}

/* ---- the largest ---- */

static struct operation many[BATCH_SIZE_MAX];

static struct identifier longest_id(char first, size_t number)
{
    char id[IDENTIFIER_SIZE_MAX_BYTES + 1];
    memset(id, first, sizeof id - 1);
    id[sizeof id - 1] = '\0';
    for (size_t i = 1; number > 0; i++, number /= 10) {
        id[i] = (char)('0' + number % 10);
    }
    return unit_id(id);
}

static void expect_largest_fits(enum write_path path, size_t shards)
{
    static struct pg_parameters parameters;
    static struct pg_exchange exchange;
    batch = (struct batch){.relation = &relations[RELATION_RSVP],
                           .kind = OPERATION_ADD,
                           .path = path,
                           .size = BATCH_SIZE_MAX};
    for (size_t i = 0; i < BATCH_SIZE_MAX; i++) {
        many[i] = (struct operation){.kind = i % 2 == 0 ? OPERATION_ADD : OPERATION_REMOVE,
                                     .relation = batch.relation,
                                     .entity = longest_id('e', i),
                                     .user = longest_id('u', i),
                                     .path = path,
                                     .place = {.shard = INT64_MAX - (int64_t)(i % shards)}};
        batch.operations[i] = &many[i];
    }
    parameters.call = call;
    exchange = (struct pg_exchange){
        .batch = &batch, .parameters = &parameters, .sharded = true, .deadline_us = 2000000};
    sent.calls = 0;
    assert_false(pg_exchange_begin(&exchange, (struct instant){1, 1})); /* nobody takes its sync */
    assert_int_equal(sent.calls, 1);
    assert_int_equal(exchange.batch->size, BATCH_SIZE_MAX);
    assert_true(number_at(sent.values[STATEMENTS] + 12) >= 3 * (exchange.queued + shards));
    unit_expect_text("the first", element(STATEMENTS, 0), "");
}

static void test_the_largest_batch(NO_STATE)
{
    static const enum write_path paths[] = {PATH_PLAIN, PATH_ADMITTED};
    for (size_t i = 0; i < LENGTH(paths); i++) {
        expect_largest_fits(paths[i], 1);
        expect_largest_fits(paths[i], PLACEMENTS_MAX);
    }
}

/* ---- answers ---- */

/* An answer of one column of bytea; a row without bytes is NULL. */
static PGresult *make_answer(const struct slice *rows, int count)
{
    char no_name[] = "";
    PGresAttDesc column = {.name = no_name, .format = 1, .typid = TYPE_BYTEA};
    PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    assert_int_equal(PQsetResultAttrs(result, 1, &column), 1);
    for (int i = 0; i < count; i++) {
        char *value = rows[i].size == 0 ? NULL : (char *)rows[i].data;
        assert_int_equal(PQsetvalue(result, i, 0, value, value == NULL ? -1 : (int)rows[i].size),
                         1);
    }
    return result;
}

/* The rows of the next statement of an answer: how many; -1: they do not fit. */
static int take(struct pg_shard_answer *answer, const char *columns)
{
    PGresult *rows = pg_shard_answer_next(answer, columns);
    int count = rows == NULL ? -1 : PQntuples(rows);
    PQclear(rows);
    return count;
}

/* As record_send has it: a text "ab" and a number 258. */
#define TEXT_AB                                                                                    \
    "\0\0\0\x19\0\0\0\2"                                                                           \
    "ab"
#define NUMBER_258 "\0\0\0\x14\0\0\0\x8\0\0\0\0\0\0\1\2"
static const char row_bytes[] = "\0\0\0\2" TEXT_AB NUMBER_258;
#define ROW slice_make(row_bytes, sizeof row_bytes - 1)
#define END slice_make("", 0)

static void test_an_answer(NO_STATE)
{
    const struct slice values[] = {ROW, ROW, END, END, ROW, END};
    PGresult *all = make_answer(values, LENGTH(values));
    struct pg_shard_answer answer = {.rows = all};
    PGresult *rows = pg_shard_answer_next(&answer, "sn");
    assert_non_null(rows);
    assert_int_equal(PQntuples(rows), 2);
    assert_true(pg_rows_fit(rows, "sn"));
    assert_string_equal(PQgetvalue(rows, 1, 0), "ab");
    assert_int_equal(pg_row_number(rows, 1, 1), 258);
    PQclear(rows);
    assert_int_equal(take(&answer, NULL), 0);
    assert_int_equal(take(&answer, "sn"), 1);
    assert_int_equal(take(&answer, "sn"), -1); /* there are no more */
    PQclear(all);
}

static void test_a_row_that_is_cut(NO_STATE)
{
    for (size_t size = 1; size < ROW.size; size++) {
        char *cut = malloc(size);
        assert_non_null(cut);
        memcpy(cut, row_bytes, size);
        const struct slice values[] = {slice_make(cut, size), END};
        PGresult *all = make_answer(values, LENGTH(values));
        struct pg_shard_answer answer = {.rows = all};
        if (take(&answer, "sn") != -1) {
            fail_msg("%zu bytes of a row fit", size);
        }
        PQclear(all);
        free(cut);
    }
}

static void test_rows_that_do_not_fit(NO_STATE)
{
    static const char longer[] = "\0\0\0\2" TEXT_AB NUMBER_258 "\0";
    static const char huge[] = "\0\0\0\1\0\0\0\x19\x7f\xff\xff\xff"
                               "ab";
    static const char too_many[] = "\x7f\xff\xff\xff" TEXT_AB;
    const struct {
        const char *columns;
        struct slice row;
    } cases[] = {
        {"ns", ROW},
        {"ss", ROW},
        {"st", ROW},
        {"s", ROW},
        {"snn", ROW},
        {NULL, ROW},
        {"", ROW},
        {"sn", slice_make(longer, sizeof longer - 1)},
        {"s", slice_make(huge, sizeof huge - 1)},
        {"s", slice_make(too_many, sizeof too_many - 1)},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const struct slice values[] = {cases[i].row, END};
        PGresult *all = make_answer(values, LENGTH(values));
        struct pg_shard_answer answer = {.rows = all};
        if (take(&answer, cases[i].columns) != -1) {
            fail_msg("case %zu fits", i);
        }
        PQclear(all);
    }
    const struct slice endless[] = {ROW};
    PGresult *all = make_answer(endless, 1);
    struct pg_shard_answer answer = {.rows = all};
    assert_int_equal(take(&answer, "sn"), -1);
    PQclear(all);
}

/* A value that is not there stays so: pg_rows_fit says where that may be. */
static void test_a_row_with_null(NO_STATE)
{
    static const char bytes[] = "\0\0\0\2\0\0\0\x19\xff\xff\xff\xff\0\0\0\x14\xff\xff\xff\xff";
    const struct slice values[] = {slice_make(bytes, sizeof bytes - 1), END};
    PGresult *all = make_answer(values, LENGTH(values));
    struct pg_shard_answer answer = {.rows = all};
    PGresult *rows = pg_shard_answer_next(&answer, "sN");
    assert_non_null(rows);
    assert_int_equal(PQgetisnull(rows, 0, 0) + PQgetisnull(rows, 0, 1), 2);
    assert_false(pg_rows_fit(rows, "sN"));
    PQclear(rows);
    PQclear(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_texts, make_call, free_call),
        cmocka_unit_test_setup_teardown(test_arrays, make_call, free_call),
        cmocka_unit_test_setup_teardown(test_numbers_and_times, make_call, free_call),
        cmocka_unit_test_setup_teardown(test_what_is_not_there, make_call, free_call),
        cmocka_unit_test_setup_teardown(test_a_call, make_call, free_call),
        cmocka_unit_test_setup_teardown(test_another_text_has_another_name, make_call, free_call),
        cmocka_unit_test_setup_teardown(test_the_largest_batch, make_call, free_call),
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_a_row_that_is_cut),
        cmocka_unit_test(test_rows_that_do_not_fit),
        cmocka_unit_test(test_a_row_with_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
