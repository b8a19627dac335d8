/* The commands by which counts are read from Redis and published to it. */
#include "rsvpd/store/redis_counts.h"

#include <assert.h>

/* KEYS: counts; ARGV[1]: lifetime in ms; ARGV[i + 1]: the new value of KEYS[i]. A stored value
 * stays only if it is one of ours, of about now, and not older than the new one. Returns the first
 * error.
 */
static_assert(REDIS_VERSION_DIGITS + 2 == 21 && REDIS_VERSION_DIGITS + 1 + REDIS_AS_OF_DIGITS == 36,
              "the script takes a value apart by the positions of its parts");
static const char publish_script[] =
    "local refused\n"
    "for i = 1, #KEYS do\n"
    "  local new = ARGV[i + 1]\n"
    "  local held = redis.pcall('GET', KEYS[i])\n"
    "  local keep = false\n"
    "  if type(held) == 'string' then\n"
    "    local as_of = string.match(held, '^%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d:(%d+):%d+$')\n"
    "    local apart = as_of and tonumber(as_of) - tonumber(string.sub(new, 21, 36))\n"
    "    keep = apart and apart > -5000000 and apart < 5000000 and held >= new\n"
    "  end\n"
    "  if not keep then\n"
    "    local set = redis.pcall('SET', KEYS[i], new, 'PX', ARGV[1])\n"
    "    if set.err then refused = refused or set end\n"
    "  end\n"
    "  if type(held) == 'table' and not string.find(held.err, '^WRONGTYPE') then\n"
    "    refused = refused or held\n"
    "  end\n"
    "end\n"
    "return refused or #KEYS\n";

static void add_key(struct redis_words *words, const char *namespace,
                    const struct redis_count *entry)
{
    struct text key = redis_words_space(words, REDIS_KEY_SIZE_BYTES);
    redis_encode_key(namespace, entry, &key);
    redis_words_add_written(words, &key);
}

static void add_probe_key(struct redis_words *words, const char *namespace, uint64_t probe)
{
    struct text key = redis_words_space(words, REDIS_KEY_SIZE_BYTES);
    redis_encode_probe_key(namespace, probe, &key);
    redis_words_add_written(words, &key);
}

static void add_value(struct redis_words *words, const struct count *count)
{
    struct text value = redis_words_space(words, REDIS_VALUE_SIZE_BYTES);
    redis_encode_value(count, &value);
    redis_words_add_written(words, &value);
}

/* The words of a publication before its keys. */
static void begin_publication(struct redis_words *words, size_t size)
{
    redis_words_begin(words, "EVAL");
    redis_words_add(words, slice_of(publish_script));
    redis_words_add_number(words, (int64_t)size);
}

void redis_counts_write_read(struct redis_words *words, const char *namespace,
                             const struct redis_count *entries, size_t size)
{
    assert(size > 0 && size <= REDIS_COUNTS_MAX);
    redis_words_begin(words, "MGET");
    for (size_t i = 0; i < size; i++) {
        add_key(words, namespace, &entries[i]);
    }
}

void redis_counts_write_publication(struct redis_words *words, const char *namespace,
                                    int64_t ttl_ms, const struct redis_count *entries, size_t size)
{
    assert(size > 0 && size <= REDIS_COUNTS_MAX);
    begin_publication(words, size);
    for (size_t i = 0; i < size; i++) {
        add_key(words, namespace, &entries[i]);
    }
    redis_words_add_number(words, ttl_ms);
    for (size_t i = 0; i < size; i++) {
        add_value(words, &entries[i].count);
    }
}

void redis_counts_write_probe_read(struct redis_words *words, const char *namespace, uint64_t probe)
{
    redis_words_begin(words, "MGET");
    add_probe_key(words, namespace, probe);
}

void redis_counts_write_probe_publication(struct redis_words *words, const char *namespace,
                                          int64_t ttl_ms, uint64_t probe, const struct count *count)
{
    begin_publication(words, 1);
    add_probe_key(words, namespace, probe);
    redis_words_add_number(words, ttl_ms);
    add_value(words, count);
}
