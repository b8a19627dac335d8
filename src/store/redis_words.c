/* The words of one Redis command. */
#include "rsvpd/store/redis_words.h"

void redis_words_add(struct redis_words *words, struct slice word)
{
    assert(words->count < REDIS_WORDS_MAX);
    words->at[words->count] = word.data;
    words->sizes[words->count++] = word.size;
}

void redis_words_begin(struct redis_words *words, const char *name)
{
    words->count = 0; /* not the whole of it: it is large, and only what is used gets written */
    words->used = 0;
    redis_words_add(words, slice_of(name));
}

void redis_words_add_number(struct redis_words *words, int64_t number)
{
    struct text digits = redis_words_space(words, REDIS_NUMBER_SIZE_BYTES);
    text_add_int(&digits, number);
    redis_words_add_written(words, &digits);
}

struct text redis_words_space(struct redis_words *words, size_t size)
{
    assert(sizeof words->bytes - words->used >= size);
    return text_over(words->bytes + words->used, size);
}

void redis_words_add_written(struct redis_words *words, const struct text *text)
{
    assert(!text->truncated);
    redis_words_add(words, text_slice(text));
    words->used += text->size;
}
