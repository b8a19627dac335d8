/* If-Match and If-None-Match. */
#include "rsvpd/http/precondition.h"
#include "rsvpd/http/answer.h"
#include "rsvpd/http/entity_tag.h"
#include "rsvpd/http/header.h"

#include <stdlib.h>

/* Of one field; those past it are refused. */
enum { LINES_MAX = PRECONDITION_TAGS_MAX };

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

/* False where there is no room for another one. */
static bool keep(struct tag_list *list, struct slice opaque)
{
    if (!may_be_ours(opaque)) {
        return true;
    }
    if (list->size == PRECONDITION_TAGS_MAX) {
        return false;
    }
    list->tags[list->size].size = (uint8_t)opaque.size;
    memcpy(list->tags[list->size++].data, opaque.data, opaque.size);
    return true;
}

/* Takes the tags of one line in; `weak_too` tells whether weak ones count. */
static bool parse_line(struct tag_list *list, struct slice line, bool weak_too)
{
    struct entity_tag tag;
    enum entity_tag_event event;
    while ((event = entity_tag_next(&line, &tag)) == ENTITY_TAG) {
        if ((weak_too || !tag.weak) && !keep(list, tag.opaque)) {
            return false;
        }
    }
    return event == ENTITY_TAG_END;
}

static bool parse_field(struct request *request, enum header_name name, bool weak_too,
                        struct tag_list *list)
{
    struct slice lines[LINES_MAX];
    size_t size = header_values(request, name, lines, LINES_MAX);
    bool good = size < LINES_MAX;
    list->given = size > 0;
    if (size == 1 && slice_equal(slice_trim(lines[0]), slice_of("*"))) {
        list->any = true;
        return true;
    }
    bool empty = true;
    for (size_t i = 0; i < size && good; i++) {
        empty = empty && slice_trim(lines[i]).size == 0;
        good = parse_line(list, lines[i], weak_too);
    }
    if (!good || (size > 0 && empty)) {
        answer_problem_format(request, PROBLEM_INVALID_PARAMETER,
                              "the header %s holds an asterisk, or up to %d entity tags in double "
                              "quotes with commas between them",
                              name == HEADER_IF_MATCH ? "If-Match" : "If-None-Match",
                              PRECONDITION_TAGS_MAX);
        return false;
    }
    return true;
}

bool precondition_find(struct request *request, struct precondition **precondition)
{
    *precondition = NULL;
    if (!header_given(request, HEADER_IF_MATCH) && !header_given(request, HEADER_IF_NONE_MATCH)) {
        return true;
    }
    struct precondition *found = calloc(1, sizeof *found);
    if (found == NULL) {
        answer_problem(request, PROBLEM_INTERNAL, NULL);
        return false;
    }
    if (!parse_field(request, HEADER_IF_MATCH, false, &found->match) ||
        !parse_field(request, HEADER_IF_NONE_MATCH, true, &found->none_match)) {
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
