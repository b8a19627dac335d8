/* The limits of rates of a process. */
#include "rsvpd/app/rates.h"

enum { CALLERS_MAX = 512 * 1024 /* of each kind who owe anything at a time: 16 MiB */ };

/* Half of a key of our own, from the one that all processes on a database share. No token of a
 * listing has such a text. */
static bool derive(const struct pg_secrets *secrets, const char *purpose,
                   unsigned char out[MAC_SIZE_BYTES])
{
    return mac_compute(secrets->page_token_key, slice_of(purpose), out);
}

static struct rate limit(const char *text)
{
    struct rate rate;
    bool valid = rate_parse(slice_of(text), &rate);
    assert(valid); /* config_load has looked */
    return rate;
}

bool rates_init(struct rates *rates, const struct config *config, const struct pg_secrets *secrets,
                bool shared)
{
    unsigned char bytes[MAC_SIZE_BYTES];
    struct rate_table_setup setup = {
        .limits.of = {[RATE_USER] = limit(config->rate_limit_user),
                      [RATE_KEY] = limit(config->rate_limit_key),
                      [RATE_ADDRESS] = limit(config->rate_limit_address)},
        .capacity = CALLERS_MAX,
        .shared = shared,
    };
    bool limited = config->rate_limit_user_file != NULL || config->rate_limit_key_file != NULL ||
                   config->rate_limit_address_file != NULL;
    *rates = (struct rates){0};
    for (size_t i = 0; i < RATE_KIND_COUNT; i++) {
        limited = limited || setup.limits.of[i].requests > 0;
    }
    if (!limited) {
        return true;
    }
    if (!derive(secrets, "rates: hash of callers", bytes) ||
        !derive(secrets, "rates: callers in redis, 1", rates->redis_key) ||
        !derive(secrets, "rates: callers in redis, 2", rates->redis_key + MAC_SIZE_BYTES)) {
        return false;
    }
    memcpy(&setup.secret, bytes, sizeof setup.secret);
    rates->table = rate_table_create(&setup);
    return rates->table != NULL;
}

bool rates_value_valid(const char *value)
{
    struct rate rate;
    return rate_parse(slice_of(value), &rate);
}

void rates_replace(struct rates *rates, enum rate_kind kind, const char *value)
{
    const struct rate rate = limit(value);
    assert(rates->table != NULL); /* the value came from a file */
    rate_table_set_limit(rates->table, kind, &rate);
}

void rates_free(struct rates *rates)
{
    rate_table_destroy(&rates->table);
}
