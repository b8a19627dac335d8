/* What a server sends to whom it has been asked by: each command ends once, in its order, and gives
 * no more values than it wants. The first byte says which commands are under way. */
#include "fuzz.h"

#include "rsvpd/store/redis_exchange.h"

#include <string.h>

enum { COMMANDS = 4, FIRST_BYTES = 7 };

static size_t ended;

struct asked {
    size_t number, values;
    const struct redis_command *command;
};

static void take(void *asked_, size_t place, struct slice value)
{
    struct asked *asked = asked_;
    assert(asked->number == ended && place < asked->command->list_size);
    assert(asked->values <= place && (value.size == 0 || value.data != NULL));
    asked->values = place + 1;
}

static void end(void *asked_, const struct redis_answer *answer)
{
    struct asked *asked = asked_;
    assert(asked->number == ended);
    assert((answer->outcome == REDIS_REFUSED) == (answer->refusal != NULL));
    ended++;
}

/* As MGET, ROLE, SENTINEL GET-MASTER-ADDR-BY-NAME and AUTH are sent. */
static const struct redis_command kinds[COMMANDS] = {
    {.list_size = 2, .on_value = take, .on_end = end},
    {.list_size = 1, .list_is_open = true, .on_value = take, .on_end = end},
    {.list_size = 2, .list_may_miss = true, .on_value = take, .on_end = end},
    {.on_end = end},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = fuzz_input(data, size);
    struct redis_exchange *exchange = redis_exchange_create();
    struct asked asked[COMMANDS];
    size_t first = bytes.size == 0 ? 0 : (unsigned char)bytes.data[0];
    bytes = bytes.size == 0 ? bytes : slice_skip(bytes, 1);
    assert(exchange != NULL);
    ended = 0;
    for (size_t i = 0; i < COMMANDS; i++) {
        struct redis_command command = kinds[(first + i) % COMMANDS];
        asked[i] = (struct asked){.number = i, .command = &kinds[(first + i) % COMMANDS]};
        command.data = &asked[i];
        bool expected = redis_exchange_expect(exchange, &command);
        assert(expected);
    }
    /* In two parts. */
    size_t part = bytes.size < FIRST_BYTES ? bytes.size : FIRST_BYTES;
    const char *wrong = redis_exchange_feed(exchange, slice_make(bytes.data, part));
    if (wrong == NULL && bytes.size > part) {
        wrong = redis_exchange_feed(exchange, slice_skip(bytes, part));
    }
    assert(wrong == NULL || strlen(wrong) > 0);
    redis_exchange_abandon(exchange);
    assert(ended == COMMANDS);
    redis_exchange_destroy(&exchange);
    return 0;
}
