/* Page tokens: ours is accepted and gives back where the page ended; whatever else is refused. The
 * input's first line is an identifier where a page ends. The rest is taken for a token as it
 * stands, and says how ours is to be changed: in pairs of bytes, a place and what is added there.
 */
#include "fuzz.h"

#include "rsvpd/domain/page_token.h"

static const unsigned char key[MAC_KEY_SIZE_BYTES] = "a key of thirty-two bytes, no le";

static const struct listing listings[] = {
    {&relations[RELATION_RSVP], OPERATION_LIST_USERS, {2, "e1"}},
    {&relations[RELATION_RSVP], OPERATION_LIST_WAITING, {2, "e1"}},
    {&relations[RELATION_RSVP], OPERATION_LIST_ENTITIES, {2, "e1"}},
    {&relations[RELATION_LIKE], OPERATION_LIST_USERS, {2, "e1"}},
    {&relations[RELATION_RSVP], OPERATION_LIST_USERS, {1, "e"}},
};
enum { LISTINGS = sizeof listings / sizeof listings[0] };

static void make(const struct listing *listing, const struct identifier *last,
                 char token[PAGE_TOKEN_SIZE_BYTES])
{
    bool made = page_token_make(key, listing, last, token);
    assert(made);
}

static bool accepts(const struct listing *listing, struct slice token, struct identifier *last)
{
    enum problem problem = page_token_parse(key, listing, token, last);
    assert(problem == PROBLEM_NONE || problem == PROBLEM_INVALID_PARAMETER);
    return problem == PROBLEM_NONE;
}

/* What is accepted is what we make. */
static void check_foreign(struct slice token)
{
    for (size_t i = 0; i < LISTINGS; i++) {
        struct identifier last;
        char ours[PAGE_TOKEN_SIZE_BYTES];
        if (accepts(&listings[i], token, &last)) {
            make(&listings[i], &last, ours);
            assert(slice_equal(token, slice_of(ours)));
        }
    }
}

/* Ours is good for its own listing alone. */
static void check_ours(const struct identifier *last)
{
    char token[PAGE_TOKEN_SIZE_BYTES];
    for (size_t own = 0; own < LISTINGS; own++) {
        make(&listings[own], last, token);
        for (size_t i = 0; i < LISTINGS; i++) {
            struct identifier back;
            bool accepted = accepts(&listings[i], slice_of(token), &back);
            assert(accepted == (i == own));
            assert(!accepted || identifier_equal(last, &back));
        }
    }
}

/* Ours with bytes changed is refused. */
static void check_changed(const struct identifier *last, struct slice changes)
{
    char token[PAGE_TOKEN_SIZE_BYTES], ours[PAGE_TOKEN_SIZE_BYTES];
    struct identifier back;
    make(&listings[0], last, token);
    size_t size = strlen(token);
    memcpy(ours, token, size);
    for (size_t i = 0; i + 1 < changes.size; i += 2) {
        char *byte = &token[(unsigned char)changes.data[i] % size];
        *byte = (char)(*byte + changes.data[i + 1]);
    }
    bool changed = memcmp(ours, token, size) != 0;
    bool accepted = accepts(&listings[0], slice_make(token, size), &back);
    assert(accepted == !changed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = fuzz_input(data, size);
    struct slice line = slice_cut(&rest, '\n');
    struct identifier last;
    check_foreign(rest);
    if (identifier_parse(line, &last)) {
        check_ours(&last);
        check_changed(&last, rest);
    }
    return 0;
}
