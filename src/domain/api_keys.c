/* API keys of services.
 *
 * DESIGN: The keys are sorted by the first eight bytes of their digests and found by these, then
 * compared whole, in constant time. How long the search takes tells a stranger at most something of
 * the digests, and a key that has a given digest cannot be found. */
#include "rsvpd/domain/api_keys.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

static const int64_t us_per_hour = INT64_C(3600) * 1000 * 1000;

struct api_keys {
    size_t count;
    struct api_key *keys;        /* sorted by digest */
    int64_t *ids;                /* sorted */
    _Atomic int64_t *used_hours; /* of each, since the Unix epoch; written when it changes alone */
};

void api_key_make(const unsigned char secret[API_KEY_SECRET_SIZE_BYTES], char key[API_KEY_SIZE + 1])
{
    memcpy(key, API_KEY_PREFIX, strlen(API_KEY_PREFIX));
    size_t size = base64url_encode(secret, API_KEY_SECRET_SIZE_BYTES, key + strlen(API_KEY_PREFIX));
    assert(size + strlen(API_KEY_PREFIX) == API_KEY_SIZE);
    key[API_KEY_SIZE] = '\0';
}

static int by_digest(const void *a_, const void *b_)
{
    const struct api_key *a = a_, *b = b_;
    return memcmp(a->digest, b->digest, DIGEST_SIZE_BYTES);
}

static int by_number(const void *a_, const void *b_)
{
    int64_t a = *(const int64_t *)a_, b = *(const int64_t *)b_;
    return (a > b) - (a < b);
}

struct api_keys *api_keys_create(const struct api_key *keys, size_t count)
{
    struct api_keys *set = calloc(1, sizeof *set);
    if (set == NULL) {
        return NULL;
    }
    set->count = count;
    set->keys = calloc(count + 1, sizeof *set->keys);
    set->used_hours = calloc(count + 1, sizeof *set->used_hours);
    set->ids = calloc(count + 1, sizeof *set->ids);
    if (set->keys == NULL || set->used_hours == NULL || set->ids == NULL) {
        api_keys_destroy(&set);
        return NULL;
    }
    if (count > 0) {
        memcpy(set->keys, keys, count * sizeof *keys);
        qsort(set->keys, count, sizeof *set->keys, by_digest);
    }
    for (size_t i = 0; i < count; i++) {
        set->ids[i] = keys[i].id;
    }
    qsort(set->ids, count, sizeof *set->ids, by_number);
    return set;
}

void api_keys_destroy(struct api_keys **keys)
{
    if (*keys != NULL) {
        free((*keys)->keys);
        free((*keys)->used_hours);
        free((*keys)->ids);
        free(*keys);
        *keys = NULL;
    }
}

size_t api_keys_count(const struct api_keys *keys)
{
    return keys->count;
}

bool api_keys_hold(const struct api_keys *keys, int64_t id)
{
    return bsearch(&id, keys->ids, keys->count, sizeof *keys->ids, by_number) != NULL;
}

bool api_keys_equal(const struct api_keys *a, const struct api_keys *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        const struct api_key *one = &a->keys[i], *other = &b->keys[i];
        equal = digest_equal(one->digest, other->digest) && one->id == other->id &&
                one->scope == other->scope && one->expires_us == other->expires_us;
    }
    return equal;
}

static bool is_well_formed(struct slice shown)
{
    size_t prefix = strlen(API_KEY_PREFIX);
    if (shown.size != API_KEY_SIZE || memcmp(shown.data, API_KEY_PREFIX, prefix) != 0) {
        return false;
    }
    for (size_t i = prefix; i < shown.size; i++) {
        if (!base64url_is_character(shown.data[i])) {
            return false;
        }
    }
    return true;
}

/* Where the key of this digest stands; `count` where it is not there. */
static size_t place_of(const struct api_keys *keys, const unsigned char digest[DIGEST_SIZE_BYTES])
{
    enum { SEARCHED_BYTES = 8 };
    size_t low = 0, high = keys->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(keys->keys[middle].digest, digest, SEARCHED_BYTES) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    while (low < keys->count && memcmp(keys->keys[low].digest, digest, SEARCHED_BYTES) == 0) {
        if (digest_equal(keys->keys[low].digest, digest)) {
            return low;
        }
        low++;
    }
    return keys->count;
}

enum api_key_verdict api_keys_find(const struct api_keys *keys, struct slice shown, int64_t now_us,
                                   const struct api_key **found)
{
    unsigned char digest[DIGEST_SIZE_BYTES];
    if (!is_well_formed(shown)) {
        return API_KEY_MALFORMED;
    }
    if (!digest_compute(shown, digest)) {
        return API_KEY_UNCHECKED;
    }
    size_t place = place_of(keys, digest);
    if (place == keys->count) {
        return API_KEY_UNKNOWN;
    }
    const struct api_key *key = &keys->keys[place];
    if (now_us >= key->expires_us) {
        return API_KEY_EXPIRED;
    }
    int64_t hour = now_us / us_per_hour;
    if (atomic_load_explicit(&keys->used_hours[place], memory_order_relaxed) != hour) {
        atomic_store_explicit(&keys->used_hours[place], hour, memory_order_relaxed);
    }
    *found = key;
    return API_KEY_GOOD;
}

/* When the key of this digest was last found; 0: not yet. */
static int64_t found_us(const struct api_keys *keys, const unsigned char digest[DIGEST_SIZE_BYTES])
{
    size_t place = place_of(keys, digest);
    return place == keys->count
               ? 0
               : atomic_load_explicit(&keys->used_hours[place], memory_order_relaxed) * us_per_hour;
}

size_t api_keys_unnoted_uses(const struct api_keys *noted, const struct api_keys *found,
                             struct api_key_use *uses, size_t count_max)
{
    size_t count = 0;
    for (size_t i = 0; i < noted->count && count < count_max; i++) {
        const struct api_key *key = &noted->keys[i];
        int64_t used_us = found_us(found, key->digest);
        if (used_us > key->used_us) {
            uses[count++] = (struct api_key_use){.id = key->id, .used_us = used_us};
        }
    }
    return count;
}
