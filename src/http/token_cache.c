/* Tokens that were found to be good. */
#include "rsvpd/http/token_cache.h"
#include "rsvpd/base/hash_table.h"
#include "rsvpd/base/list.h"

#include <stdlib.h>

enum { TOKEN_SIZE_TYPICAL_BYTES = 512, SECOND_US = 1000 * 1000 };

struct kept_token {
    struct hash_node key;
    struct list_node by_use; /* the one that was used least recently first */
    uint64_t version;        /* of the keys that it was checked with */
    int64_t until_mono_us, until_wall_us;
    struct principal principal;
    size_t size;
    char token[];
};

struct token_cache {
    struct hash_table tokens;
    struct list by_use;
    size_t size, size_max;
    uint64_t secret;
};

struct token_cache *token_cache_create(size_t size_max_bytes, uint64_t secret)
{
    struct token_cache *cache = calloc(1, sizeof *cache);
    size_t expected = size_max_bytes / (sizeof(struct kept_token) + TOKEN_SIZE_TYPICAL_BYTES);
    if (cache == NULL || !hash_table_init(&cache->tokens, expected + 1, secret)) {
        free(cache);
        return NULL;
    }
    cache->secret = secret;
    cache->size_max = size_max_bytes;
    list_init(&cache->by_use);
    return cache;
}

static size_t size_of(const struct kept_token *kept)
{
    return sizeof *kept + kept->size;
}

static void drop(struct token_cache *cache, struct kept_token *kept)
{
    hash_table_remove(&cache->tokens, &kept->key);
    list_remove(&kept->by_use);
    assert(cache->size >= size_of(kept));
    cache->size -= size_of(kept);
    free(kept);
}

void token_cache_destroy(struct token_cache **cache_)
{
    struct token_cache *cache = *cache_;
    if (cache == NULL) {
        return;
    }
    while (!list_empty(&cache->by_use)) {
        drop(cache, list_entry(list_first(&cache->by_use), struct kept_token, by_use));
    }
    hash_table_free(&cache->tokens);
    free(cache);
    *cache_ = NULL;
}

static bool is_same(const struct hash_node *node, const void *token)
{
    const struct kept_token *kept = list_entry(node, const struct kept_token, key);
    return slice_equal(slice_make(kept->token, kept->size), *(const struct slice *)token);
}

const struct principal *token_cache_find(struct token_cache *cache, struct slice token,
                                         uint64_t version, struct instant now)
{
    uint64_t hash = hash_bytes(cache->secret, token);
    struct hash_node *node = hash_table_find(&cache->tokens, hash, is_same, &token);
    if (node == NULL) {
        return NULL;
    }
    struct kept_token *kept = list_entry(node, struct kept_token, key);
    if (kept->version != version || now.mono_us >= kept->until_mono_us ||
        now.wall_us >= kept->until_wall_us) {
        drop(cache, kept);
        return NULL;
    }
    list_remove(&kept->by_use);
    list_push_back(&cache->by_use, &kept->by_use);
    return &kept->principal;
}

void token_cache_keep(struct token_cache *cache, struct slice token, uint64_t version,
                      const struct principal *principal, int64_t good_until_s, struct instant now)
{
    assert(hash_table_find(&cache->tokens, hash_bytes(cache->secret, token), is_same, &token) ==
           NULL);
    struct kept_token *kept = malloc(sizeof *kept + token.size);
    if (kept == NULL) {
        return;
    }
    int64_t last_s = INT64_MAX / SECOND_US;
    *kept = (struct kept_token){
        .version = version,
        .until_mono_us = now.mono_us + TOKEN_CACHE_LIFETIME_US,
        .until_wall_us = (good_until_s < last_s ? good_until_s : last_s) * SECOND_US,
        .principal = *principal,
        .size = token.size,
    };
    memcpy(kept->token, token.data, token.size);
    cache->size += size_of(kept);
    hash_table_insert(&cache->tokens, &kept->key, hash_bytes(cache->secret, token));
    list_push_back(&cache->by_use, &kept->by_use);
    while (cache->size > cache->size_max) {
        drop(cache, list_entry(list_first(&cache->by_use), struct kept_token, by_use));
    }
}

size_t token_cache_size(const struct token_cache *cache)
{
    return cache->size;
}
