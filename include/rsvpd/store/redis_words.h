/* The words of one Redis command with many keys, built in place. */
#ifndef RSVPD_STORE_REDIS_WORDS_H
#define RSVPD_STORE_REDIS_WORDS_H

#include "rsvpd/store/redis_codec.h"

enum {
    REDIS_NUMBER_SIZE_BYTES = 24,
    /* Of a script's call: its name, the script, how many keys, one argument; three words for each
     * count or caller. */
    REDIS_WORDS_MAX = 4 + 3 * REDIS_COUNTS_MAX,
    REDIS_WORDS_SIZE_MAX_BYTES = 2 * REDIS_NUMBER_SIZE_BYTES +
                                 REDIS_COUNTS_MAX * (REDIS_KEY_SIZE_BYTES + REDIS_VALUE_SIZE_BYTES),
};

struct redis_words {
    const char *at[REDIS_WORDS_MAX];
    size_t sizes[REDIS_WORDS_MAX];
    int count;
    size_t used;
    char bytes[REDIS_WORDS_SIZE_MAX_BYTES];
};

/* `name` is the command's. Strings given to this module stay the caller's. */
void redis_words_begin(struct redis_words *words, const char *name);

void redis_words_add(struct redis_words *words, struct slice word);
void redis_words_add_number(struct redis_words *words, int64_t number);

/* Space for the next word, which redis_words_add_written adds once it is written. */
struct text redis_words_space(struct redis_words *words, size_t size);
void redis_words_add_written(struct redis_words *words, const struct text *text);

#endif
