/* What lines of an import say, and which of them are bad. */
#include "unit.h"

#include "rsvpd/domain/import_row.h"

static void expect_header(const char *kind, const char *header,
                          const int places[IMPORT_FIELD_COUNT])
{
    struct import_columns columns;
    struct import_problem problem;
    if (!import_read_header(slice_of(header), import_kind_named(kind), &columns, &problem)) {
        fail_msg("'%s': %s", header, problem.text);
    }
    for (int i = 0; i < IMPORT_FIELD_COUNT; i++) {
        assert_int_equal(columns.places[i], places[i]);
    }
}

#define EIGHT "12345678"
#define EIGHT_BELLS "\a\a\a\a\a\a\a\a"
#define SIXTY_FOUR EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT

static void test_headers(NO_STATE)
{
    static const struct {
        const char *kind;
        const char *header;
        int places[IMPORT_FIELD_COUNT];
    } cases[] = {
        {"rsvp", "event_id,user_id", {0, 1, -1, -1, -1, -1, -1}},
        {"rsvp", "user_id,event_id", {1, 0, -1, -1, -1, -1, -1}},
        {"rsvp", "created_at,\"user_id\",event_id", {2, 1, 0, -1, -1, -1, -1}},
        {"like", "post_id,user_id,created_at", {0, 1, 2, -1, -1, -1, -1}},
        {"waitlist", "user_id,event_id", {1, 0, -1, -1, -1, -1, -1}},
        {"settings", "closes_at,event_id,capacity,waitlist,opens_at", {1, -1, -1, 2, 3, 4, 0}},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_header(cases[i].kind, cases[i].header, cases[i].places);
    }
}

static void test_bad_headers(NO_STATE)
{
    static const struct {
        const char *kind;
        const char *header, *word;
    } cases[] = {
        {"rsvp", "", "\"\" is not one"},
        {"rsvp", "event_id", "\"user_id\" is missing"},
        {"rsvp", "user_id,created_at", "\"event_id\" is missing"},
        {"like", "user_id", "\"post_id\" is missing"},
        {"rsvp", "post_id,user_id", "\"post_id\" is not one"},
        {"like", "event_id,user_id", "\"event_id\" is not one"},
        {"rsvp", "event_id,user_id,age", "\"age\" is not one"},
        {"rsvp", "event_id,user_id,", "\"\" is not one"},
        {"rsvp", "event_id,user_id,capacity", "\"capacity\" is not one"},
        {"waitlist", "event_id,user_id,ticket", "\"ticket\" is not one"},
        {"waitlist", "event_id,created_at", "\"user_id\" is missing"},
        {"settings", "event_id,user_id", "\"user_id\" is not one"},
        {"settings", "event_id,capacity,opens_at,closes_at", "\"waitlist\" is missing"},
        {"rsvp", "event_id, user_id", "\" user_id\" is not one"},
        {"rsvp", "EVENT_ID,user_id", "\"EVENT_ID\" is not one"},
        {"rsvp", "event_id,user_id,user_id", "\"user_id\" occurs twice"},
        {"rsvp", "event_id,\"user_id", "not closed"},
        {"rsvp", "101a,\x1b[31m", "\"101a\" is not one"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct import_columns columns;
        struct import_problem problem;
        assert_false(import_read_header(slice_of(cases[i].header), import_kind_named(cases[i].kind),
                                        &columns, &problem));
        if (strstr(problem.text, cases[i].word) == NULL) {
            fail_msg("'%s' is refused for another reason: %s", cases[i].header, problem.text);
        }
    }
}

static struct import_columns columns_of(const char *kind, const char *header)
{
    struct import_columns columns;
    struct import_problem problem;
    assert_true(import_read_header(slice_of(header), import_kind_named(kind), &columns, &problem));
    return columns;
}

static void test_rows(NO_STATE)
{
    static const struct {
        const char *header, *line, *event, *user;
        int64_t created_us;
    } cases[] = {
        {"event_id,user_id", "101a,u1", "101a", "u1", IMPORT_NOW},
        {"user_id,event_id", "101a,u1", "u1", "101a", IMPORT_NOW},
        {"event_id,user_id", "\"101a\",\"u:1@x\"", "101a", "u:1@x", IMPORT_NOW},
        {"event_id,user_id", "=1,auth0|5f+", "=1", "auth0|5f+", IMPORT_NOW},
        {"event_id,user_id", SIXTY_FOUR SIXTY_FOUR ",u", SIXTY_FOUR SIXTY_FOUR, "u", IMPORT_NOW},
        {"event_id,user_id,created_at", "e,u,", "e", "u", IMPORT_NOW},
        {"event_id,user_id,created_at", "e,u,\"\"", "e", "u", IMPORT_NOW},
        {"event_id,user_id,created_at", "e,u,1970-01-01T00:00:00Z", "e", "u", 0},
        {"created_at,user_id,event_id", "2026-11-22T11:15:30.123456+01:00,u,e", "e", "u",
         1795342530123456},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct import_columns columns = columns_of("rsvp", cases[i].header);
        struct import_problem problem;
        struct import_row row;
        if (!import_read_row(slice_of(cases[i].line), &columns, &row, &problem)) {
            fail_msg("'%s': %s", cases[i].line, problem.text);
        }
        unit_expect_text(cases[i].line, identifier_slice(&row.entity), cases[i].event);
        unit_expect_text(cases[i].line, identifier_slice(&row.user), cases[i].user);
        assert_true(row.created_us == cases[i].created_us);
    }
}

static void expect_bad_row_of(struct import_columns columns, struct slice line, const char *word)
{
    struct import_problem problem;
    struct import_row row;
    assert_false(import_read_row(line, &columns, &row, &problem));
    if (strstr(problem.text, word) == NULL) {
        fail_msg("'%.*s' is refused for another reason: %s", (int)line.size, line.data,
                 problem.text);
    }
    for (const char *c = problem.text; *c != '\0'; c++) {
        assert_true((unsigned char)*c >= ' '); /* nothing that a terminal would obey */
    }
}

static void expect_bad_row(struct slice line, const char *word)
{
    expect_bad_row_of(columns_of("rsvp", "event_id,user_id,created_at"), line, word);
}

static void test_bad_rows(NO_STATE)
{
    static const char *const cases[][2] = {
        {"", "1 fields, where the header has 3"},
        {"e,u", "2 fields"},
        {"e,u,,", "4 fields"},
        {"e,u,2026-02-30T00:00:00Z", "created_at \"2026-02-30T00:00:00Z\" is no RFC 3339 time"},
        {"e,u,now", "created_at \"now\""},
        {"e,u, ", "created_at \" \""},
        {",u,", "event_id \"\" is no identifier"},
        {"e,,", "user_id \"\" is no identifier"},
        {" e,u,", "event_id \" e\""},
        {"e,u\xC3\xA9,", "user_id \"u\xC3\xA9\""},
        {"e,u\xFF,", "user_id \"u\\ufffd\""},
        {"e,\x1b[2J,", "user_id \"\\u001b[2J\""},
        {"..,u,", "event_id \"..\" is no identifier"},
        {"e," SIXTY_FOUR SIXTY_FOUR "9,", "user_id \"" SIXTY_FOUR "123456\"... is no identifier"},
        {"e,\"u,", "not closed"},
        {"e,u\",", "not quoted"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_bad_row(slice_of(cases[i][0]), cases[i][1]);
    }
    expect_bad_row(slice_make("e,u\0,", 5), "user_id \"u\\u0000\"");
    /* Few, but longer when they are shown. */
    expect_bad_row(slice_of("e," EIGHT_BELLS EIGHT_BELLS EIGHT_BELLS ","),
                   "\\u0007\\... is no identifier");
}

/* A field that is all of the longest line, and of bytes that are longest when shown. */
static void test_the_longest_bad_line(NO_STATE)
{
    static char line[CSV_LINE_SIZE_MAX_BYTES];
    memset(line, 1, sizeof line);
    line[1] = ',';
    line[sizeof line - 1] = ',';
    expect_bad_row(slice_make(line, sizeof line), "event_id \"\\u0001\"");
    line[0] = 'e';
    expect_bad_row(slice_make(line, sizeof line), "is no identifier: 1 to 128 bytes out of");
}

static void test_settings(NO_STATE)
{
    static const struct {
        const char *line;
        struct settings settings;
    } cases[] = {
        {"e,,f,,", {.given = true}},
        {"e,0,true,,", {.given = true, .limited = true, .waitlist = true}},
        {"e,1000000000,false,,", {.given = true, .limited = true, .capacity = 1000000000}},
        {"e,0042,t,1970-01-01T00:00:00.000001Z,\"1970-01-01T01:00:01+01:00\"",
         {true, true, 42, true, true, true, 1, 1000000}},
    };
    const struct import_columns columns =
        columns_of("settings", "event_id,capacity,waitlist,opens_at,closes_at");
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct import_problem problem;
        struct import_row row;
        if (!import_read_row(slice_of(cases[i].line), &columns, &row, &problem)) {
            fail_msg("'%s': %s", cases[i].line, problem.text);
        }
        const struct settings *read = &row.settings, *expected = &cases[i].settings;
        unit_expect_text(cases[i].line, identifier_slice(&row.entity), "e");
        assert_int_equal(row.user.size, 0);
        assert_int_equal(read->given, true);
        assert_int_equal(read->limited, expected->limited);
        assert_int_equal(read->capacity, expected->capacity);
        assert_int_equal(read->waitlist, expected->waitlist);
        assert_int_equal(read->opens, expected->opens);
        assert_int_equal(read->closes, expected->closes);
        assert_int_equal(read->opens_at_us, expected->opens_at_us);
        assert_int_equal(read->closes_at_us, expected->closes_at_us);
    }
}

static void test_bad_settings(NO_STATE)
{
    static const char *const cases[][2] = {
        {"e,1,t,", "4 fields, where the header has 5"},
        {",1,t,,", "event_id \"\" is no identifier"},
        {"e,-1,t,,", "capacity \"-1\" is no whole number from 0 to 1000000000"},
        {"e,1.0,t,,", "capacity \"1.0\""},
        {"e,1000000001,t,,", "capacity \"1000000001\""},
        {"e,99999999999999999999999999,t,,", "capacity \"99999999999999999999999999\""},
        {"e,1,,,", "waitlist \"\" is none of t, true, f, false"},
        {"e,1,T,,", "waitlist \"T\""},
        {"e,1,t,now,", "opens_at \"now\" is no RFC 3339 time"},
        {"e,1,t,2030-01-01T00:00:00Z,2020-01-01T00:00:00Z", "opens_at is not before closes_at"},
        {"e,1,t,2030-01-01T00:00:00Z,2030-01-01T01:00:00+01:00",
         "opens_at is not before closes_at"},
        {"e,1,t,,2026-02-30T00:00:00Z", "closes_at \"2026-02-30T00:00:00Z\""},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect_bad_row_of(columns_of("settings", "event_id,capacity,waitlist,opens_at,closes_at"),
                          slice_of(cases[i][0]), cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_bad_headers),
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_bad_settings),
        cmocka_unit_test(test_the_longest_bad_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
