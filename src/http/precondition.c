/* If-Match and If-None-Match. */
#include "rsvpd/http/precondition.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/entity_tag.h"
#include "rsvpd/http/header.h"

#include "rsvpd/http/wire.h"

#include <assert.h>
#include <stdlib.h>

static_assert((int)WIRE_HEAD_SIZE_MAX_BYTES <= (int)PRECONDITION_TAGS_SIZE_MAX_BYTES,
              "all tags that come in a head are taken");

/* Only what may be the tag of settings is kept: others match nothing, and may hold bytes that a
 * database takes for no text. */
static bool may_be_ours(struct slice opaque)
{
    bool good = opaque.size > 0 && opaque.size <= SETTINGS_TAG_SIZE_MAX_BYTES;
    for (size_t i = 0; i < opaque.size && good; i++) {
        char c = opaque.data[i];
        good = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '.';
    }
    return good;
}

/* Takes the tags of one line in; `weak_too` tells whether weak ones count. */
static bool parse_line(struct text *tags, struct slice line, bool weak_too)
{
    struct entity_tag tag;
    enum entity_tag_event event;
    while ((event = entity_tag_next(&line, &tag)) == ENTITY_TAG) {
        if ((weak_too || !tag.weak) && may_be_ours(tag.opaque)) {
            text_add(tags, tag.opaque);
            text_add_cstr(tags, ",");
        }
    }
    return event == ENTITY_TAG_END;
}

static bool is_asterisk(const struct request *request, enum header_name name)
{
    struct slice lines[2];
    return header_values(request, name, lines, 2) == 1 &&
           slice_equal(slice_trim(lines[0]), slice_of("*"));
}

static bool parse_field(struct request *request, enum header_name name, bool weak_too,
                        struct text *tags, struct tag_list *list)
{
    const struct header_field *field = NULL;
    struct slice line;
    size_t begin = tags->size;
    list->given = header_given(request, name);
    list->any = is_asterisk(request, name);
    bool good = true, empty = list->given && !list->any;
    while (!list->any && good && header_next(request, name, &field, &line)) {
        empty = empty && slice_trim(line).size == 0;
        good = parse_line(tags, line, weak_too);
    }
    list->tags = slice_make(tags->data + begin, tags->size - begin);
    assert(!tags->truncated);
    if (!good || empty) {
        answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                              "the header %s holds an asterisk, or entity tags in double quotes "
                              "with commas between them",
                              name == HEADER_IF_MATCH ? "If-Match" : "If-None-Match");
        return false;
    }
    return true;
}

/* The sum of the sizes of a field's values. A tag has more bytes there than here, with its quotes.
 */
static size_t size_of_field(const struct request *request, enum header_name name)
{
    const struct header_field *field = NULL;
    struct slice line;
    size_t size = 0;
    while (header_next(request, name, &field, &line)) {
        size += line.size;
    }
    return size;
}

bool precondition_find(struct request *request, struct precondition **precondition)
{
    *precondition = NULL;
    if (!header_given(request, HEADER_IF_MATCH) && !header_given(request, HEADER_IF_NONE_MATCH)) {
        return true;
    }
    size_t size =
        size_of_field(request, HEADER_IF_MATCH) + size_of_field(request, HEADER_IF_NONE_MATCH);
    struct precondition *found = calloc(1, sizeof *found + size);
    if (found == NULL) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return false;
    }
    struct text tags = text_over(found->bytes, size);
    if (!parse_field(request, HEADER_IF_MATCH, false, &tags, &found->match) ||
        !parse_field(request, HEADER_IF_NONE_MATCH, true, &tags, &found->none_match)) {
        free(found);
        return false;
    }
    *precondition = found;
    return true;
}

void precondition_add_tag(struct text *out, const struct settings *settings)
{
    if (!settings->given) {
        text_add_cstr(out, "none");
        return;
    }
    for (enum setting i = 0; i < SETTING_COUNT; i++) {
        struct setting_value value = settings_get(settings, i);
        text_add_cstr(out, i == 0 ? "" : ".");
        if (value.given) {
            text_add_int(out, value.number);
        }
    }
}
