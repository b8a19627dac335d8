/* The SQL that the binary carries: its files are there, and their variables are replaced. */
#include "unit.h"

#include "rsvpd/domain/settings.h"
#include "rsvpd/store/sql.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

static const struct relation *const rsvp = &relations[RELATION_RSVP];
static const struct relation *const like = &relations[RELATION_LIKE];

static void test_expand(NO_STATE)
{
    static const struct {
        const char *text;
        const char *expanded; /* NULL: refused */
    } cases[] = {
        {"", ""},
        {"SELECT 1", "SELECT 1"},
        {":members", "rsvps"},
        {":counters", "rsvp_counters"},
        {":id", "event_id"},
        {"INSERT INTO :members (:id, user_id)", "INSERT INTO rsvps (event_id, user_id)"},
        {"c.:id=:members.:id", "c.event_id=rsvps.event_id"},
        {":id:id", "event_idevent_id"},
        {"(:id)\n:id\n", "(event_id)\nevent_id\n"},
        /* casts, slices, prose, and colons at the ends are no variables */
        {"$1::text[]", "$1::text[]"},
        {"$1::members", "$1::members"},
        {"a::text = :id::text", "a::text = event_id::text"},
        {"a[1:2]", "a[1:2]"},
        {"-- note: this", "-- note: this"},
        {":", ":"},
        {"a:", "a:"},
        {"::", "::"},
        {":::id", ":::id"},
        /* whoever writes a name that nothing has made a mistake */
        {":other", NULL},
        {":member", NULL},
        {":memberss", NULL},
        {":id_", NULL},
        {":members_id", NULL},
        {"SELECT :id, :nothing", NULL},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        char out[128];
        bool good = sql_expand(cases[i].text, rsvp, out, sizeof out);
        if (good != (cases[i].expanded != NULL)) {
            fail_msg("'%s' is %s", cases[i].text, good ? "taken" : "refused");
        }
        if (good) {
            unit_expect_text(cases[i].text, slice_of(out), cases[i].expanded);
        }
    }
}

static void test_the_other_relation(NO_STATE)
{
    char out[128];
    assert_true(sql_expand(":members :counters :id", like, out, sizeof out));
    assert_string_equal(out, "likes like_counters post_id");
}

/* At every size: whole with its NUL, or refused; never a byte beyond. */
static void test_too_small_a_buffer(NO_STATE)
{
    static const char text[] = "a :id::text b";
    static const char expanded[] = "a event_id::text b";
    for (size_t size = 1; size <= sizeof expanded + 2; size++) {
        char out[sizeof expanded + 8];
        memset(out, '#', sizeof out);
        bool good = sql_expand(text, rsvp, out, size);
        assert_int_equal(good, size >= sizeof expanded);
        if (good) {
            assert_string_equal(out, expanded);
        }
        for (size_t i = size; i < sizeof out; i++) {
            assert_int_equal(out[i], '#');
        }
    }
}

/* Everything that is built in and has variables has only known ones, for both relations. */
static void test_all_files(NO_STATE)
{
    static char out[16384];
    size_t count = 0;
    for (const struct sql_file *file = sql_files; file->name != NULL; file++, count++) {
        assert_true(strlen(file->text) > 0);
        assert_ptr_equal(sql_text(file->name), file->text);
        if (count > 0) {
            assert_true(strcmp(file[-1].name, file->name) < 0);
        }
        if (strncmp(file->name, "queries/", 8) == 0) {
            assert_true(sql_expand(file->text, rsvp, out, sizeof out));
            assert_true(sql_expand(file->text, like, out, sizeof out));
        }
    }
    assert_true(count > 0);
    assert_non_null(strstr(sql_text("queries/write"), ":members"));
}

/* `rsvpd migrate` takes a statement to end with a semicolon at the end of a line: no comment ends
 * so, and each file does. */
static void test_statements_of_migrations(NO_STATE)
{
    for (const struct sql_file *file = sql_files; file->name != NULL; file++) {
        const char *line = file->text;
        bool ended = false;
        for (; strncmp(file->name, "migrations/", 11) == 0 && *line != '\0';) {
            const char *end = strchr(line, '\n');
            bool is_comment = strncmp(line, "--", 2) == 0;
            assert_non_null(end);
            assert_false(is_comment && end[-1] == ';');
            ended = !is_comment && end > line && end[-1] == ';';
            line = end + 1;
        }
        assert_int_equal(ended, strncmp(file->name, "migrations/", 11) == 0);
    }
}

/* ---- statements at shards ---- */

static bool is_of_word(char c)
{
    return isalnum((unsigned char)c) != 0 || c == '_';
}

/* Whether the words in front of a name end with one of those that citus.sql knows, and a blank. */
static bool is_known_place(const char *text, const char *name)
{
    static const char *const words[] = {"FROM ", "JOIN ", "INTO ", "UPDATE "};
    for (size_t i = 0; i < LENGTH(words); i++) {
        size_t size = strlen(words[i]);
        if ((size_t)(name - text) >= size && memcmp(name - size, words[i], size) == 0) {
            return (size_t)(name - text) == size || !is_of_word(name[-(int)size - 1]);
        }
    }
    return false;
}

/* A setting has a table's name: it is that table only behind a word that a table follows. */
static bool is_column(const char *text, const char *name)
{
    static const char *const words[] = {"FROM", "JOIN", "INTO", "UPDATE", "USING", "ONLY"};
    const char *end = name;
    while (end > text && isspace((unsigned char)end[-1]) != 0) {
        end--;
    }
    const char *word = end;
    while (word > text && is_of_word(word[-1])) {
        word--;
    }
    bool follows = false;
    for (size_t i = 0; i < LENGTH(words); i++) {
        follows = follows || (strlen(words[i]) == (size_t)(end - word) &&
                              strncasecmp(word, words[i], strlen(words[i])) == 0);
    }
    return strncmp(name, "waitlist", 8) == 0 && !follows;
}

static size_t expect_known_places(const char *file, char *sql, const char *table)
{
    size_t places = 0;
    for (char *name = strstr(sql, table); name != NULL; name = strstr(name + 1, table)) {
        if (is_of_word(name[strlen(table)]) || (name > sql && is_of_word(name[-1])) ||
            is_column(sql, name)) {
            continue;
        }
        if (!is_known_place(sql, name)) {
            fail_msg("%s: %s stands where citus.sql does not put the shard's name", file, table);
        }
        places++;
    }
    return places;
}

static void blank_comments_out(char *sql)
{
    for (char *comment = strstr(sql, "--"); comment != NULL; comment = strstr(comment, "--")) {
        memset(comment, ' ', strcspn(comment, "\n"));
    }
}

/* At a shard its names stand in place of the tables', wherever they stand behind one of a few words
 * and one blank (rsvpd_prepare_at_shard): they stand nowhere else. */
static void test_tables_stand_where_shards_can(NO_STATE)
{
    static const char *const tables[] = {"rsvps",    "rsvp_counters", "events",
                                         "waitlist", "likes",         "like_counters"};
    size_t places[LENGTH(tables)] = {0};
    char sql[16384];
    for (const struct sql_file *file = sql_files; file->name != NULL; file++) {
        for (int i = 0; i < RELATION_COUNT && strncmp(file->name, "queries/", 8) == 0; i++) {
            assert_true(sql_expand(file->text, &relations[i], sql, sizeof sql));
            blank_comments_out(sql);
            for (size_t j = 0; j < LENGTH(tables); j++) {
                places[j] += expect_known_places(file->name, sql, tables[j]);
            }
        }
    }
    for (size_t j = 0; j < LENGTH(tables); j++) {
        assert_true(places[j] > 0);
        assert_non_null(strstr(sql_text("distributed/citus"), tables[j]));
    }
}

/* ---- settings ---- */

/* By enum setting_type: of a column, and of what is sent for it. */
static const char *const column_types[] = {"bigint", "boolean", "timestamptz"};
static const char *const parameter_types[] = {"bigint", "bigint", "timestamptz"};

/* Where a word stands first at or behind `text`; fails where it does not. */
static const char *find_word(const char *file, const char *text, const char *word)
{
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        if ((at == text || !is_of_word(at[-1])) && !is_of_word(at[strlen(word)])) {
            return at;
        }
    }
    fail_msg("%s does not have '%s', or not in the order of SETTINGS", file, word);
    return NULL;
}

/* A session of a worker is set up by a function there, which is to plan as every other session. */
static void test_workers_are_set_up_like_sessions(NO_STATE)
{
    static const char begin[] = "set_config('";
    const char *at = strstr(sql_text("session/setup"), "'plan_cache_mode'") - strlen("set_config(");
    size_t settings = 0;
    for (; at != NULL; at = strstr(at + 1, begin)) {
        char setting[96];
        snprintf(setting, sizeof setting, "%.*s)", (int)strcspn(at, ")"), at);
        if (strstr(sql_text("distributed/citus"), setting) == NULL) {
            fail_msg("distributed/citus does not have %s", setting);
        }
        settings++;
    }
    assert_true(settings > 5);
}

/* Statements read and write settings by position: each has the columns of SETTINGS, in its order.
 */
static void test_statements_have_the_columns_of_settings(NO_STATE)
{
    static const struct {
        const char *file, *before; /* of each column */
    } cases[] = {
        {"queries/settings", "e."},       {"queries/store_settings", ""},
        {"queries/store_settings", "$"},  {"queries/precondition", "e."},
        {"commands/export_settings", ""}, {"commands/import_stage", ""},
        {"commands/import_copy", ""},     {"commands/import_settings", ""},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *at = sql_text(cases[i].file);
        while (strncmp(at, "--", 2) == 0) { /* prose */
            at = strchr(at, '\n') + 1;
        }
        for (int j = 0; j < SETTING_COUNT; j++) {
            char word[64];
            if (*cases[i].before == '$') { /* the first is the entity */
                snprintf(word, sizeof word, "%d::%s", 2 + j, parameter_types[setting_rows[j].type]);
            } else {
                snprintf(word, sizeof word, "%s%s", cases[i].before, setting_rows[j].name);
            }
            at = find_word(cases[i].file, at, word);
        }
    }
}

static void test_tables_have_the_columns_of_settings(NO_STATE)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        char column[64];
        const char *type = column_types[setting_rows[i].type];
        snprintf(column, sizeof column, "('events', '%s', '%s')", setting_rows[i].name, type);
        assert_non_null(strstr(sql_text("schema/columns"), column));
        snprintf(column, sizeof column, "    %s %s", setting_rows[i].name, type);
        assert_non_null(strstr(sql_text("commands/import_stage"), column));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_the_other_relation),
        cmocka_unit_test(test_too_small_a_buffer),
        cmocka_unit_test(test_all_files),
        cmocka_unit_test(test_statements_of_migrations),
        cmocka_unit_test(test_tables_stand_where_shards_can),
        cmocka_unit_test(test_workers_are_set_up_like_sessions),
        cmocka_unit_test(test_statements_have_the_columns_of_settings),
        cmocka_unit_test(test_tables_have_the_columns_of_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
