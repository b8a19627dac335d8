/* What every unit test needs. */
#include "unit.h"

#include "rsvpd/base/clock.h"
#include "rsvpd/base/hash_table.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t seed_of_run(void)
{
    static uint64_t seed;
    static bool chosen;
    if (!chosen) {
        const char *given = getenv("TEST_SEED");
        seed = given != NULL ? strtoull(given, NULL, 10) : clock_entropy();
        chosen = true;
        print_message("TEST_SEED=%llu repeats the choices of this run\n", (unsigned long long)seed);
    }
    return seed;
}

struct random unit_random(uint64_t stream)
{
    struct random mixer = {.state = stream};
    return (struct random){.state = seed_of_run() ^ random_next(&mixer)};
}

unsigned unit_below(struct random *random, unsigned bound)
{
    return (unsigned)((random_next(random) >> 32) * bound >> 32);
}

bool unit_percent(struct random *random, unsigned percent)
{
    return unit_below(random, 100) < percent;
}

struct identifier unit_id(const char *text)
{
    struct identifier id;
    if (!identifier_parse(slice_of(text), &id)) {
        fail_msg("'%s' is no identifier", text);
    }
    return id;
}

struct idempotency_key unit_key(const char *text)
{
    struct idempotency_key key = {.size = (uint8_t)strlen(text)};
    memcpy(key.data, text, key.size);
    return key;
}

struct identifier unit_numbered_id(const char *prefix, unsigned number)
{
    char text[IDENTIFIER_SIZE_MAX_BYTES];
    snprintf(text, sizeof text, "%s%u", prefix, number);
    return unit_id(text);
}

uint64_t unit_colliding_secret(void)
{
    const uint64_t secret =
        0xD6E8FEB86659FD93u; /* cancels a constant that everything goes through */
    assert_true(hash_bytes(secret, slice_of("a")) == hash_bytes(secret, slice_of("another")));
    return secret;
}

void unit_expect_bytes(const char *name, struct slice got, struct slice expected)
{
    if (!slice_equal(got, expected)) {
        fail_msg("%s: got '%.*s' (%zu bytes), expected '%.*s' (%zu bytes)", name, (int)got.size,
                 got.data, got.size, (int)expected.size, expected.data, expected.size);
    }
}

void unit_expect_text(const char *name, struct slice got, const char *expected)
{
    unit_expect_bytes(name, got, slice_of(expected));
}
