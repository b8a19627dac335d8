/* The names that things have in the simulation. */
#include "names.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

struct identifier name_of(char kind, unsigned number)
{
    char text[16];
    struct identifier name;
    snprintf(text, sizeof text, "%c%07u", kind, number);
    bool valid = identifier_parse(slice_of(text), &name);
    assert(valid);
    return name;
}

struct idempotency_key key_named(unsigned number)
{
    struct identifier name = name_of('k', number);
    struct idempotency_key key = {.size = name.size};
    memcpy(key.data, name.data, name.size);
    return key;
}

static int number_in(struct slice name)
{
    int number = 0;
    for (size_t i = 1; i < name.size; i++) {
        number = number * 10 + (name.data[i] - '0');
    }
    return name.size == 8 ? number : KEY_NONE;
}

int number_of(const struct identifier *name)
{
    return number_in(identifier_slice(name));
}

int key_number_of(const struct idempotency_key *key)
{
    return number_in(idempotency_key_slice(key));
}
