/* The SQL that the binary carries, and its variables. */
#include "rsvpd/store/sql.h"
#include "rsvpd/base/text.h"

#include <assert.h>
#include <ctype.h>

const char *sql_text(const char *name)
{
    const struct sql_file *file = sql_files;
    while (file->name != NULL && strcmp(file->name, name) != 0) {
        file++;
    }
    assert(file->name != NULL);
    return file->text;
}

static const char *variable(struct slice name, const struct relation *relation)
{
    const struct {
        const char *name, *value;
    } known[] = {
        {"members", relation->members_table},
        {"counters", relation->counters_table},
        {"id", relation->id_member},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_equal(name, slice_of(known[i].name))) {
            return known[i].value;
        }
    }
    return NULL;
}

bool sql_expand(const char *text, const struct relation *relation, char *out, size_t out_size)
{
    assert(out_size > 0);
    struct text result = text_over(out, out_size - 1);
    while (*text != '\0') {
        size_t size = strcspn(text, ":");
        text_add(&result, slice_make(text, size));
        text += size;
        size_t colons = strspn(text, ":");
        struct slice name = {text + colons, 0};
        while (islower((unsigned char)name.data[name.size]) || name.data[name.size] == '_') {
            name.size++;
        }
        if (colons == 1 && name.size > 0) { /* two are a cast, one before a blank is prose */
            const char *value = variable(name, relation);
            if (value == NULL) {
                return false;
            }
            text_add_cstr(&result, value);
            text = name.data + name.size;
        } else {
            text_add(&result, slice_make(text, colons));
            text += colons;
        }
    }
    out[result.size] = '\0';
    return !result.truncated;
}
