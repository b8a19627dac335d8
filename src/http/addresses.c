/* How many streams each address has open at one server. */
#include "rsvpd/http/addresses.h"
#include "rsvpd/base/list.h"

#include <stdlib.h>
#include <string.h>

enum { EXPECTED = 4096 };

struct entry {
    struct hash_node key;
    struct ip_address address;
    int64_t count;
};

bool addresses_init(struct addresses *addresses, int64_t max, uint64_t secret)
{
    assert(max >= 0);
    addresses->max = max;
    return hash_table_init(&addresses->entries, max > 0 ? EXPECTED : 1, secret);
}

void addresses_free(struct addresses *addresses)
{
    assert(addresses->entries.size == 0);
    hash_table_free(&addresses->entries);
}

static bool same_address(const struct hash_node *node, const void *address)
{
    const struct entry *entry = list_entry(node, const struct entry, key);
    return memcmp(&entry->address, address, sizeof entry->address) == 0;
}

static uint64_t hash_of(const struct addresses *addresses, const struct ip_address *address)
{
    return hash_bytes(addresses->entries.secret,
                      slice_make((const char *)address->bytes, sizeof address->bytes));
}

static struct entry *find(const struct addresses *addresses, const struct ip_address *address)
{
    struct hash_node *node =
        hash_table_find(&addresses->entries, hash_of(addresses, address), same_address, address);
    return node == NULL ? NULL : list_entry(node, struct entry, key);
}

static struct entry *make(struct addresses *addresses, const struct ip_address *address)
{
    struct entry *entry = malloc(sizeof *entry);
    if (entry != NULL) {
        entry->address = *address;
        entry->count = 0;
        hash_table_insert(&addresses->entries, &entry->key, hash_of(addresses, address));
    }
    return entry;
}

bool addresses_enter(struct addresses *addresses, const struct ip_address *address)
{
    if (addresses->max == 0) {
        return true;
    }
    struct entry *entry = find(addresses, address);
    if (entry == NULL) {
        entry = make(addresses, address);
    }
    if (entry == NULL || entry->count == addresses->max) {
        return false;
    }
    entry->count++;
    return true;
}

void addresses_leave(struct addresses *addresses, const struct ip_address *address)
{
    if (addresses->max == 0) {
        return;
    }
    struct entry *entry = find(addresses, address);
    assert(entry != NULL && entry->count > 0);
    if (--entry->count == 0) {
        hash_table_remove(&addresses->entries, &entry->key);
        free(entry);
    }
}
