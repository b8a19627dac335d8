/* Entity tags. */
#include "rsvpd/http/entity_tag.h"

static bool is_of_tag(unsigned char c)
{
    return c == '!' || (c >= '#' && c != 0x7F);
}

static struct slice skip(struct slice s, size_t size)
{
    return slice_make(s.data + size, s.size - size);
}

/* Without the blanks and commas in front. */
static struct slice skip_empty(struct slice list)
{
    while (list.size > 0 && strchr(" \t,", list.data[0]) != NULL && list.data[0] != '\0') {
        list = skip(list, 1);
    }
    return list;
}

enum entity_tag_event entity_tag_next(struct slice *list, struct entity_tag *tag)
{
    struct slice rest = skip_empty(*list);
    if (rest.size == 0) {
        return ENTITY_TAG_END;
    }
    tag->weak = rest.size >= 2 && memcmp(rest.data, "W/", 2) == 0;
    rest = skip(rest, tag->weak ? 2 : 0);
    if (rest.size == 0 || rest.data[0] != '"') {
        return ENTITY_TAG_MALFORMED;
    }
    size_t size = 1;
    while (size < rest.size && is_of_tag((unsigned char)rest.data[size])) {
        size++;
    }
    if (size == rest.size || rest.data[size] != '"') {
        return ENTITY_TAG_MALFORMED;
    }
    tag->opaque = slice_make(rest.data + 1, size - 1);
    *list = slice_trim(skip(rest, size + 1));
    return list->size == 0 || list->data[0] == ',' ? ENTITY_TAG : ENTITY_TAG_MALFORMED;
}
