/* Which API keys are in force. */
#include "rsvpd/app/keys_in_force.h"

struct keys_in_force keys_in_force_over(struct published *published)
{
    return (struct keys_in_force){.published = published,
                                  .newest_reader = published_reader_over(published),
                                  .before_reader = published_reader_over(published)};
}

void keys_in_force_end(struct keys_in_force *keys)
{
    published_reader_end(&keys->newest_reader);
    published_reader_end(&keys->before_reader);
    *keys = (struct keys_in_force){0};
}

enum secret_change keys_in_force_take(struct keys_in_force *keys, struct api_keys *fresh,
                                      int64_t read_us)
{
    if (published_in_force(keys->published) && api_keys_equal(fresh, keys->newest)) {
        api_keys_destroy(&fresh);
        keys->read_us = read_us;
        return SECRET_SAME;
    }
    keys->before = published_read(&keys->before_reader);
    if (!published_replace(keys->published, fresh)) {
        api_keys_destroy(&fresh);
        return SECRET_FAILED;
    }
    keys->newest = published_read(&keys->newest_reader);
    keys->read_us = read_us;
    return SECRET_CHANGED;
}

bool keys_in_force_expire(struct keys_in_force *keys, int64_t now_us)
{
    return published_in_force(keys->published) && now_us - keys->read_us > KEYS_IN_FORCE_KEPT_US &&
           published_replace(keys->published, NULL);
}
