/* How shares of rates are exchanged through Redis. */
#include "rsvpd/store/redis_rates.h"

#include <endian.h>

enum {
    NUMBER_SIZE_BYTES = 8,
    ENTRY_SIZE_BYTES = 3 * NUMBER_SIZE_BYTES, /* a caller's, in the script's argument */
    ENTRIES_SIZE_MAX_BYTES = REDIS_RATES_MAX * ENTRY_SIZE_BYTES,
};
static_assert(4 + REDIS_RATES_MAX <= (int)REDIS_WORDS_MAX &&
                  REDIS_RATES_MAX * (REDIS_KEY_SIZE_BYTES + ENTRY_SIZE_BYTES) <=
                      (int)REDIS_WORDS_SIZE_MAX_BYTES - 2 * REDIS_NUMBER_SIZE_BYTES,
              "the words of the largest exchange fit");

static_assert(RATE_SPELL_MAX_US == 250 * 1000, "the script keeps a value for a spell longer");

/* KEYS: callers; ARGV[1]: for each its charge, the spell in which that came, and the most that it
 * may owe. Redis's own clock tells how much of a debt has been paid off since it was written; if
 * that was put back, nothing has. A debt is negative where it was paid off some time ago: a charge
 * begins at the beginning of its spell, or where the last debt ended, if that was later. So what
 * several processes charge for the same spell adds up, though each knows it as paid off. Numbers
 * have eight bytes, as writing and reading digits took longer than all else. What is not a
 * value of ours counts as nothing, a debt above the most as well; a full Redis refuses the first
 * SET. */
static const char script[] =
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000000 + time[2]\n"
    "local pcall, pack, parts, told = redis.pcall, struct.pack, struct.unpack, ARGV[1]\n"
    "local held = pcall('MGET', unpack(KEYS))\n"
    "if held.err then return held end\n"
    "local debts = {}\n"
    "for i = 1, #KEYS do\n"
    "  local charge, spell, most = parts('>i8i8i8', told, i * 24 - 23)\n"
    "  local value, debt = held[i], -spell\n"
    "  if value and #value == 16 then\n"
    "    local at, owed = parts('>i8i8', value)\n"
    "    if at > now then at = now end\n"
    "    if owed <= most then debt = math.max(owed - (now - at), debt) end\n"
    "  end\n"
    "  debt = math.min(debt + charge, most)\n"
    "  local owes = math.max(debt, 0)\n"
    "  local life = (owes - owes % 1000) / 1000 + 251\n"
    "  local set = pcall('SET', KEYS[i], pack('>i8i8', now, debt), 'PX', life)\n"
    "  if set.err then return set end\n"
    "  debts[i] = pack('>i8', owes)\n"
    "end\n"
    "return {table.concat(debts)}\n";

/* Under another window a caller has another key: what they owed in a day says nothing of a minute.
 */
static bool add_keys(struct redis_words *words, const char *namespace, const unsigned char *key,
                     const struct rate_share *shares, size_t size)
{
    uint64_t callers[REDIS_RATES_MAX][2] = {{0}};
    static_assert(sizeof callers[0] == MAC_SIZE_BYTES, "a caller is a block");
    unsigned char codes[REDIS_RATES_MAX][MAC_SIZE_BYTES];
    for (size_t i = 0; i < size; i++) {
        callers[i][0] = shares[i].hash;
        callers[i][1] = (uint64_t)shares[i].debt_max_us;
    }
    if (!mac_compute_blocks(key, (const unsigned char *)callers, size, codes[0])) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        struct text text = redis_words_space(words, REDIS_KEY_SIZE_BYTES);
        redis_encode_rate_key(namespace, codes[i], &text);
        redis_words_add_written(words, &text);
    }
    return true;
}

static char *put_number(char *at, int64_t number)
{
    uint64_t big_endian = htobe64((uint64_t)number);
    memcpy(at, &big_endian, NUMBER_SIZE_BYTES);
    return at + NUMBER_SIZE_BYTES;
}

static int64_t number_at(const char *at)
{
    uint64_t big_endian;
    memcpy(&big_endian, at, NUMBER_SIZE_BYTES);
    return (int64_t)be64toh(big_endian);
}

bool redis_rates_write(struct redis_words *words, const char *namespace, const unsigned char *key,
                       const struct rate_share *shares, size_t size)
{
    assert(size > 0 && size <= REDIS_RATES_MAX);
    redis_words_begin(words, "EVAL");
    redis_words_add(words, slice_of(script));
    redis_words_add_number(words, (int64_t)size);
    if (!add_keys(words, namespace, key, shares, size)) {
        return false;
    }
    struct text entries = redis_words_space(words, ENTRIES_SIZE_MAX_BYTES);
    char *at = text_reserve(&entries, size * ENTRY_SIZE_BYTES);
    assert(at != NULL);
    for (size_t i = 0; i < size; i++) {
        at = put_number(at, shares[i].charge_us);
        at = put_number(at, shares[i].spell_us);
        at = put_number(at, shares[i].debt_max_us);
    }
    redis_words_add_written(words, &entries);
    return true;
}

void redis_rates_parse(struct slice debts, struct rate_share *shares, size_t size)
{
    bool whole = debts.size == size * NUMBER_SIZE_BYTES;
    for (size_t i = 0; i < size; i++) {
        struct rate_share *share = &shares[i];
        share->debt_us = whole ? number_at(debts.data + i * NUMBER_SIZE_BYTES) : -1;
        share->answered = share->debt_us >= 0 && share->debt_us <= REDIS_DEBT_MAX_US;
    }
}
