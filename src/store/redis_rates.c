/* How shares of rates are exchanged through Redis. */
#include "rsvpd/store/redis_rates.h"

static_assert(3 + 3 * REDIS_RATES_MAX <= (int)REDIS_WORDS_MAX &&
                  REDIS_RATES_MAX * (REDIS_KEY_SIZE_BYTES + 2 * REDIS_NUMBER_SIZE_BYTES) <=
                      (int)REDIS_WORDS_SIZE_MAX_BYTES - 2 * REDIS_NUMBER_SIZE_BYTES,
              "the words of the largest exchange fit");

/* KEYS: callers; ARGV[2i - 1]: the charge of KEYS[i], ARGV[2i]: the most that it may owe. Redis's
 * own clock tells how much of a debt has been paid off since it was written; if that was put back,
 * nothing has. */
static const char script[] =
    "local time = redis.call('TIME')\n"
    "local now = time[1] * 1000000 + time[2]\n"
    "local debts = {}\n"
    "for i = 1, #KEYS do\n"
    "  local held = redis.pcall('GET', KEYS[i])\n"
    "  local debt = 0\n"
    "  if type(held) == 'string' then\n"
    "    local at, owed = string.match(held, '^(%d+):(%d+)$')\n"
    "    if at then debt = math.max(tonumber(owed) - math.max(now - tonumber(at), 0), 0) end\n"
    "  end\n"
    "  debt = math.min(debt + tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i]))\n"
    "  local set = redis.pcall('SET', KEYS[i], string.format('%.0f:%.0f', now, debt), 'PX',\n"
    "    string.format('%.0f', math.floor(debt / 1000) + 1))\n"
    "  if set.err then return set end\n"
    "  debts[i] = string.format('%.0f', debt)\n"
    "end\n"
    "return debts\n";

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
    for (size_t i = 0; i < size; i++) {
        redis_words_add_number(words, shares[i].charge_us);
        redis_words_add_number(words, shares[i].debt_max_us);
    }
    return true;
}

bool redis_decode_debt(struct slice bytes, int64_t *debt_us)
{
    *debt_us = 0;
    for (size_t i = 0; i < bytes.size && bytes.size <= REDIS_DEBT_DIGITS_MAX; i++) {
        if (bytes.data[i] < '0' || bytes.data[i] > '9') {
            return false;
        }
        *debt_us = *debt_us * 10 + (bytes.data[i] - '0');
    }
    return bytes.size > 0 && bytes.size <= REDIS_DEBT_DIGITS_MAX;
}
