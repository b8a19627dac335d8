/* Entity tags in lists: which there are, and where a list is none. */
#include "unit.h"

#include "rsvpd/base/text.h"
#include "rsvpd/http/entity_tag.h"

/* Writes the tags as "[weak?opaque]", and ! where the list is malformed. */
static void expect(const char *list_, const char *expected)
{
    char buffer[256];
    struct text seen = text_over(buffer, sizeof buffer);
    struct slice list = slice_of(list_);
    struct entity_tag tag;
    enum entity_tag_event event;
    while ((event = entity_tag_next(&list, &tag)) == ENTITY_TAG) {
        text_add_cstr(&seen, tag.weak ? "[W " : "[");
        text_add(&seen, tag.opaque);
        text_add_cstr(&seen, "]");
    }
    text_add_cstr(&seen, event == ENTITY_TAG_MALFORMED ? "!" : "");
    unit_expect_text(list_, text_slice(&seen), expected);
}

static void test_lists(NO_STATE)
{
    static const char *const cases[][2] = {
        {"", ""},
        {" \t", ""},
        {"\"a\"", "[a]"},
        {"\"\"", "[]"},
        {"W/\"a\"", "[W a]"},
        {"\"a\",\"b\"", "[a][b]"},
        {" \"a\" , W/\"b\"\t, \"c\" ", "[a][W b][c]"},
        {",, \"a\",, ,\"b\",", "[a][b]"},
        {"\"a,b\"", "[a,b]"},
        {"\"!#~\xC3\xA9\"", "[!#~\xC3\xA9]"},
        {"a", "!"},
        {"*", "!"},
        {"\"a", "!"},
        {"\"", "!"},
        {"W/", "!"},
        {"W/a", "!"},
        {"w/\"a\"", "!"},
        {"W/ \"a\"", "!"},
        {"\"a b\"", "!"},
        {"\"a\"b", "!"},
        {"\"a\" \"b\"", "!"},
        {"\"a\", *", "[a]!"},
        {"\"a\"\"b\"", "!"},
        {"\"a\x7f\"", "!"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        expect(cases[i][0], cases[i][1]);
    }
}

/* Nothing is read behind the end of the list. */
static void test_the_end(NO_STATE)
{
    static const char text[] = "W/\"a\"";
    for (size_t size = 1; size < sizeof text - 1; size++) {
        struct slice list = slice_make(text, size);
        struct entity_tag tag;
        assert_int_equal(entity_tag_next(&list, &tag), ENTITY_TAG_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
