/* The settings of an entity: their members. */
#include "rsvpd/domain/settings.h"
#include "rsvpd/base/contract.h"

#define SETTING_ROW(ID, word, kind, limit)                                                         \
    [SETTING_##ID] = {.name = (word), .type = SETTING_##kind, .max = (limit)},
const struct setting_row setting_rows[SETTING_COUNT] = {SETTINGS(SETTING_ROW)};

struct setting_value settings_get(const struct settings *settings, enum setting setting)
{
    assert(setting < SETTING_COUNT);
    switch (setting) {
    case SETTING_CAPACITY:
        return (struct setting_value){settings->limited, settings->capacity};
    case SETTING_WAITLIST:
        return (struct setting_value){true, settings->waitlist};
    case SETTING_OPENS_AT:
        return (struct setting_value){settings->opens, settings->opens_at_us};
    case SETTING_CLOSES_AT:
        return (struct setting_value){settings->closes, settings->closes_at_us};
    case SETTING_COUNT:
        break;
    }
    return (struct setting_value){.given = false};
}

bool settings_window_is_sound(const struct settings *settings)
{
    return !settings->opens || !settings->closes || settings->opens_at_us < settings->closes_at_us;
}

void settings_set(struct settings *settings, enum setting setting, struct setting_value value)
{
    assert(setting < SETTING_COUNT);
    value.number = value.given ? value.number : 0;
    switch (setting) {
    case SETTING_CAPACITY:
        settings->limited = value.given;
        settings->capacity = value.number;
        return;
    case SETTING_WAITLIST:
        settings->waitlist = value.number != 0;
        return;
    case SETTING_OPENS_AT:
        settings->opens = value.given;
        settings->opens_at_us = value.number;
        return;
    case SETTING_CLOSES_AT:
        settings->closes = value.given;
        settings->closes_at_us = value.number;
        return;
    case SETTING_COUNT:
        return;
    }
}
