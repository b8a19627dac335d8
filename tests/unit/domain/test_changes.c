/* From the rows of a transaction to what happened. */
#include "unit.h"

#include "rsvpd/base/text.h"
#include "rsvpd/domain/changes.h"

#include <stdio.h>

enum { HELD_MAX = 8, TOLD_SIZE = 4096 };

static struct changes *changes;
static char told[TOLD_SIZE]; /* "number type entity user" of each, with a semicolon behind */

static int set_up(NO_STATE)
{
    changes = changes_create(HELD_MAX, unit_colliding_secret());
    assert_non_null(changes);
    changes_begin(changes);
    told[0] = '\0';
    return 0;
}

static int tear_down(NO_STATE)
{
    changes_destroy(&changes);
    return 0;
}

static void take_told(void)
{
    struct change change;
    while (changes_next(changes, &change)) {
        char line[512];
        snprintf(line, sizeof line, "%d %s %.*s%s%.*s;", (int)change.number,
                 change_types[change.type].name, (int)change.entity.size, change.entity.data,
                 change.user.size > 0 ? " " : "", (int)change.user.size, change.user.data);
        assert_true(strlen(told) + strlen(line) < sizeof told);
        strcat(told, line);
    }
}

static void add_row(const struct changes_row *row)
{
    take_told();
    assert_true(changes_has_room(changes));
    assert_true(changes_add(changes, row));
}

static void row(enum changes_operation operation, enum changes_table table, const char *entity,
                const char *user)
{
    add_row(&(struct changes_row){.table = table,
                                  .operation = operation,
                                  .entity = slice_of(entity),
                                  .user = slice_of(user)});
}

static void insert(enum changes_table table, const char *entity, const char *user)
{
    row(CHANGES_INSERT, table, entity, user);
}

static void delete (enum changes_table table, const char *entity, const char *user)
{
    row(CHANGES_DELETE, table, entity, user);
}

static void placeholder(enum changes_table table, const char *entity, const char *user)
{
    add_row(&(struct changes_row){.table = table,
                                  .operation = CHANGES_INSERT,
                                  .entity = slice_of(entity),
                                  .user = slice_of(user),
                                  .placeholder = true});
}

/* Ends the transaction, and says what it told. */
static void expect(const char *expected)
{
    changes_end(changes);
    take_told();
    assert_string_equal(told, expected);
    changes_begin(changes);
    told[0] = '\0';
}

static void test_each_row_by_itself(NO_STATE)
{
    insert(CHANGES_RSVPS, "e", "u");
    delete (CHANGES_RSVPS, "e", "v");
    insert(CHANGES_WAITLIST, "e", "w");
    delete (CHANGES_WAITLIST, "e", "x");
    insert(CHANGES_LIKES, "p", "u");
    delete (CHANGES_LIKES, "p", "v");
    expect("1 rsvp.created e u;2 rsvp.cancelled e v;3 rsvp.waitlisted e w;"
           "4 rsvp.left_waitlist e x;5 like.created p u;6 like.deleted p v;");
    row(CHANGES_UPDATE, CHANGES_RSVPS, "e", "u");
    expect("");
}

static void test_a_promotion_is_one_change(NO_STATE)
{
    delete (CHANGES_WAITLIST, "e", "u");
    delete (CHANGES_WAITLIST, "e", "v");
    delete (CHANGES_WAITLIST, "f", "u");
    insert(CHANGES_RSVPS, "e", "v");
    insert(CHANGES_RSVPS, "e", "u");
    insert(CHANGES_RSVPS, "f", "v");
    expect("1 rsvp.promoted e u;2 rsvp.promoted e v;3 rsvp.left_waitlist f u;4 rsvp.created f v;");
    /* Past the capacity, the row comes first. */
    insert(CHANGES_RSVPS, "e", "u");
    delete (CHANGES_WAITLIST, "e", "u");
    expect("1 rsvp.promoted e u;");
    /* A like of the same ids is something else. */
    delete (CHANGES_WAITLIST, "e", "u");
    insert(CHANGES_LIKES, "e", "u");
    expect("1 rsvp.left_waitlist e u;2 like.created e u;");
}

static void test_several_of_one_user(NO_STATE)
{
    delete (CHANGES_WAITLIST, "e", "u");
    insert(CHANGES_RSVPS, "e", "u");
    delete (CHANGES_RSVPS, "e", "u");
    insert(CHANGES_WAITLIST, "e", "u");
    delete (CHANGES_WAITLIST, "e", "u");
    insert(CHANGES_RSVPS, "e", "u");
    expect("1 rsvp.promoted e u;2 rsvp.cancelled e u;3 rsvp.waitlisted e u;4 rsvp.promoted e u;");
    delete (CHANGES_RSVPS, "e", "u");
    insert(CHANGES_RSVPS, "e", "u");
    expect("1 rsvp.cancelled e u;2 rsvp.created e u;");
}

static void test_placeholders_are_nothing(NO_STATE)
{
    placeholder(CHANGES_RSVPS, "e", "u");
    placeholder(CHANGES_LIKES, "p", "u");
    insert(CHANGES_RSVPS, "e", "v");
    delete (CHANGES_RSVPS, "e", "u");
    delete (CHANGES_RSVPS, "e", "w");
    delete (CHANGES_LIKES, "p", "u");
    expect("1 rsvp.created e v;2 rsvp.cancelled e w;");
    placeholder(CHANGES_RSVPS, "e", "u");
    delete (CHANGES_RSVPS, "e", "u");
    insert(CHANGES_RSVPS, "e", "u");
    expect("1 rsvp.created e u;");
}

/* ---- settings ---- */

static struct changes_settings settings(const char *capacity, bool releasing)
{
    return (struct changes_settings){.values = {slice_of(capacity), slice_of("t")},
                                     .releasing = releasing};
}

static void event(enum changes_operation operation, const struct changes_settings *before,
                  const struct changes_settings *after)
{
    const struct changes_settings none = {.releasing = false};
    add_row(&(struct changes_row){.table = CHANGES_EVENTS,
                                  .operation = operation,
                                  .entity = slice_of("e"),
                                  .before_known = before != NULL,
                                  .before = before == NULL ? none : *before,
                                  .after = after == NULL ? none : *after});
}

static void test_settings(NO_STATE)
{
    const struct changes_settings five = settings("5", false), six = settings("6", false);
    const struct changes_settings none = settings(NULL, false), empty = settings("", false);
    const struct changes_settings leaving = settings(NULL, true);
    event(CHANGES_INSERT, NULL, &five);
    expect("1 event.configured e;");
    event(CHANGES_UPDATE, &five, &five); /* who waits was counted */
    expect("");
    event(CHANGES_UPDATE, &five, &six);
    expect("1 event.configured e;");
    event(CHANGES_UPDATE, &none, &empty);
    expect("1 event.configured e;");
    event(CHANGES_UPDATE, NULL, &six); /* nobody knows */
    expect("1 event.configured e;");
    event(CHANGES_DELETE, &six, NULL);
    expect("1 event.released e;");
    event(CHANGES_DELETE, NULL, NULL);
    expect("1 event.released e;");
    /* Taken away in steps. */
    event(CHANGES_UPDATE, &six, &leaving);
    expect("1 event.released e;");
    event(CHANGES_UPDATE, &leaving, &leaving);
    event(CHANGES_DELETE, &leaving, NULL);
    expect("");
    /* Set again before they were gone. */
    event(CHANGES_UPDATE, &leaving, &none);
    expect("1 event.configured e;");
    /* Of an event that had none. */
    event(CHANGES_INSERT, NULL, &leaving);
    event(CHANGES_DELETE, &leaving, NULL);
    expect("");
    /* Several lines of an import. */
    event(CHANGES_INSERT, NULL, &five);
    event(CHANGES_UPDATE, &five, &six);
    expect("1 event.configured e;");
}

/* ---- bounds ---- */

static void test_no_more_is_held_than_the_bound(NO_STATE)
{
    char user[16];
    for (int i = 0; i < 3 * HELD_MAX; i++) {
        snprintf(user, sizeof user, "u%d", i);
        insert(CHANGES_RSVPS, "e", user);
        take_told();
        assert_true(changes_are_held(changes));
    }
    assert_non_null(strstr(told, "1 rsvp.created e u0;2 rsvp.created e u1;"));
    changes_end(changes);
    take_told();
    assert_non_null(strstr(told, "24 rsvp.created e u23;"));
    assert_false(changes_are_held(changes));
}

static void test_halves_further_apart_than_the_bound_are_two(NO_STATE)
{
    char user[16];
    delete (CHANGES_WAITLIST, "e", "far");
    for (int i = 0; i < HELD_MAX - 2; i++) {
        snprintf(user, sizeof user, "u%d", i);
        insert(CHANGES_LIKES, "p", user);
    }
    delete (CHANGES_WAITLIST, "e", "near");
    take_told();
    insert(CHANGES_RSVPS, "e", "far");
    insert(CHANGES_RSVPS, "e", "near");
    changes_end(changes);
    take_told();
    assert_non_null(strstr(told, "1 rsvp.left_waitlist e far;"));
    assert_non_null(strstr(told, "8 rsvp.promoted e near;9 rsvp.created e far;"));
}

/* A session that broke in a transaction, which comes again. */
static void test_a_transaction_that_begins_again(NO_STATE)
{
    delete (CHANGES_WAITLIST, "e", "u");
    changes_begin(changes);
    insert(CHANGES_RSVPS, "e", "u");
    expect("1 rsvp.created e u;");
}

static void test_ids_that_no_service_takes(NO_STATE)
{
    char longest[CHANGES_ID_SIZE_MAX_BYTES + 1];
    memset(longest, 'x', sizeof longest);
    struct changes_row it = {.table = CHANGES_RSVPS,
                             .operation = CHANGES_INSERT,
                             .entity = slice_make(longest, sizeof longest - 1),
                             .user = slice_make(longest, sizeof longest - 1)};
    assert_true(changes_add(changes, &it));
    it.user = slice_make(longest, sizeof longest);
    assert_false(changes_add(changes, &it));
    it.user = slice_of("");
    assert_false(changes_add(changes, &it));
    it.user = slice_of("u");
    it.entity = slice_make(longest, sizeof longest);
    assert_false(changes_add(changes, &it));
    it.entity = slice_of("");
    assert_false(changes_add(changes, &it));
}

static void test_types(NO_STATE)
{
    unsigned types;
    assert_true(change_types_parse(slice_of(""), &types));
    assert_int_equal(types, CHANGE_TYPES_ALL);
    assert_true(change_types_parse(slice_of("rsvp.promoted, like.deleted"), &types));
    assert_int_equal(types, 1u << CHANGE_RSVP_PROMOTED | 1u << CHANGE_LIKE_DELETED);
    assert_false(change_types_parse(slice_of("rsvp.promoted,rsvp"), &types));
    assert_false(change_types_parse(slice_of(" , "), &types));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_each_row_by_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_promotion_is_one_change, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_several_of_one_user, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_placeholders_are_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_settings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_more_is_held_than_the_bound, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_halves_further_apart_than_the_bound_are_two, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_transaction_that_begins_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_ids_that_no_service_takes, set_up, tear_down),
        cmocka_unit_test(test_types),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
