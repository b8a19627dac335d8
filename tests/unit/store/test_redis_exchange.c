/* What a Redis server may send: the answers that were asked for, and nothing else. */
#include "unit.h"

#include "rsvpd/base/text.h"
#include "rsvpd/store/redis_exchange.h"

enum { LIST_SIZE = 3, TOLD_SIZE_BYTES = 512, FLOOD_SIZE_BYTES = 1 << 20 };

/* What those who sent commands were told, as text. */
static char told_buffer[TOLD_SIZE_BYTES];
static struct text told;
static struct redis_exchange *exchange;
static char list_name[] = "list", value_name[] = "value", open_name[] = "open",
            some_name[] = "some";
static bool ends_it; /* whoever is told ends the exchange */

static void take(void *name, size_t place, struct slice value)
{
    text_add_format(&told, "%s[%zu]=%.*s ", (const char *)name, place, (int)value.size, value.data);
}

static void ended(void *name, const struct redis_answer *answer)
{
    static const char *const ends[] = {"answered", "refused", "lost"};
    assert_int_equal(answer->sent_us, 17);
    assert_true((answer->outcome == REDIS_REFUSED) == (answer->refusal != NULL));
    text_add_format(&told, "%s:%s ", (const char *)name, ends[answer->outcome]);
    if (answer->refusal != NULL) {
        text_add_cstr(&told, answer->refusal == redis_refusal_unknown ? "?" : answer->refusal);
    }
    if (ends_it) {
        redis_exchange_abandon(exchange);
    }
}

static void expect_command(char kind)
{
    struct redis_command command = {.on_end = ended, .data = value_name, .sent_us = 17};
    if (kind != 'V') {
        command.list_size = LIST_SIZE;
        command.on_value = take;
        command.list_is_open = kind == 'O';
        command.list_may_miss = kind == 'S';
        command.data = kind == 'L' ? list_name : kind == 'O' ? open_name : some_name;
    }
    assert_true(redis_exchange_expect(exchange, &command));
}

/* Begins an exchange with these commands under way: L asks for a list, O for one that may have
 * more, S for one that may be missing, V for a value. */
static void begin(const char *commands)
{
    exchange = redis_exchange_create();
    assert_non_null(exchange);
    told = text_over(told_buffer, sizeof told_buffer);
    ends_it = false;
    for (const char *kind = commands; *kind != '\0'; kind++) {
        expect_command(*kind);
    }
}

/* Feeds the bytes so many at a time; what is wrong with them, or NULL. */
static const char *feed(struct slice bytes, size_t at_once)
{
    const char *wrong = NULL;
    while (bytes.size > 0 && wrong == NULL) {
        size_t size = bytes.size < at_once ? bytes.size : at_once;
        wrong = redis_exchange_feed(exchange, slice_make(bytes.data, size));
        bytes.data += size;
        bytes.size -= size;
    }
    return wrong;
}

/* ---- what was asked for ---- */

static void test_answers(NO_STATE)
{
    static const struct {
        const char *commands, *bytes, *told;
    } cases[] = {
        {"V", "+OK\r\n", "value:answered "},
        {"V", ":1\r\n", "value:answered "},
        {"V", "$2\r\nhi\r\n", "value:answered "},
        {"V", "$-1\r\n", "value:answered "},
        {"V", "*-1\r\n", "value:answered "},
        {"L", "*3\r\n$1\r\na\r\n$-1\r\n$0\r\n\r\n", "list[0]=a list[2]= list:answered "},
        {"LV", "*3\r\n$-1\r\n$-1\r\n*-1\r\n+OK\r\n", "list:answered value:answered "},
        {"VV", "+OK\r\n:1\r\n", "value:answered value:answered "},
        {"VL", "+OK\r\n*3\r\n$1\r\na\r\n", "value:answered list[0]=a "}, /* not yet whole */
        {"VL", "-READONLY You can't\r\n*", "value:refused it is a read-only replica (READONLY)"},
        {"L", "-WRONGWORD open-sesame\r\n", "list:refused ?"},
        {"L", "-\r\n", "list:refused ?"},
        {"V", "-READONLYopen-sesame\r\n", "value:refused ?"},
        /* as ROLE is answered */
        {"O", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n",
         "open[0]=a open[1]=b open[2]=c open:answered "},
        {"OV",
         "*6\r\n$1\r\na\r\n$1\r\nb\r\n$-1\r\n:7\r\n*2\r\n*3\r\n$1\r\nd\r\n*-1\r\n-e\r\n+f\r\n"
         "*0\r\n:1\r\n",
         "open[0]=a open[1]=b open:answered value:answered "},
        {"O", "-NOPERM sesame\r\n",
         "open:refused the user of REDIS_URL lacks a right (NOPERM): EVAL, GET, SET, MGET, TIME on "
         "rsvpd:*; with sentinels ROLE"},
        /* as a sentinel answers */
        {"S", "*3\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n", "some[0]=a some[2]=c some:answered "},
        {"SV", "*-1\r\n:1\r\n", "some:answered value:answered "},
        {"S", "$-1\r\n", "some:answered "},
        {"S", "-IDONTKNOW sesame\r\n", "some:refused it does not know enough yet (IDONTKNOW)"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct slice bytes = slice_of(cases[i].bytes);
        for (size_t at_once = 1; at_once <= bytes.size; at_once++) {
            begin(cases[i].commands);
            assert_null(feed(bytes, at_once));
            unit_expect_text(cases[i].bytes, text_slice(&told), cases[i].told);
            redis_exchange_destroy(&exchange);
        }
    }
}

/* ---- what was not ---- */

static void test_rubbish(NO_STATE)
{
    static const struct {
        const char *commands, *bytes;
    } cases[] = {
        /* without a command */
        {"", "+HELLO\r\n"},
        {"", "\r"},
        {"V", "+OK\r\n+OK\r\n"},
        {"L", "*3\r\n$-1\r\n$-1\r\n$-1\r\n:"},
        /* of another form */
        {"L", "+OK\r\n"},
        {"L", ":3\r\n"},
        {"L", "$1\r\na\r\n"},
        {"L", "$-1\r\n"},
        {"L", "*-1\r\n"},
        {"V", "*0\r\n"},
        {"V", "*1\r\n"},
        {"L", "*3\r\n:1\r\n"},
        {"L", "*3\r\n+OK\r\n"},
        {"L", "*3\r\n-ERR\r\n"},
        /* of another size */
        {"L", "*2147483647\r\n"},
        {"L", "*2\r\n"},
        {"L", "*4\r\n"},
        {"L", "*0\r\n"},
        {"L", "*-2147483648\r\n"},
        {"L", "*4294967299\r\n"},
        {"L", "*99999999999999999999\r\n"},
        {"V", "$-2\r\n"},
        {"V", "$99999999999999999999\r\n"},
        {"V", "$18446744073709551615\r\n"},
        /* deeper */
        {"L", "*3\r\n*3\r\n"},
        {"L", "*3\r\n*0\r\n"},
        {"L", "*3\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"},
        /* an open list, and one that may be missing */
        {"O", "*2\r\n"},
        {"O", "*0\r\n"},
        {"O", "*-1\r\n"},
        {"O", "$-1\r\n"},
        {"O", "+master\r\n"},
        {"O", "*4\r\n*0\r\n"},
        {"O", "*4\r\n:1\r\n"},
        {"O", "*3\r\n$-1\r\n$-1\r\n+a\r\n"},
        {"O", "*4\r\n$-1\r\n$-1\r\n$-1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n"},
        {"S", ":1\r\n"},
        {"S", "*4\r\n"},
        {"S", "*3\r\n*-1\r\n*0\r\n"},
        /* of RESP3, and of no protocol */
        {"V", "%1\r\n+a\r\n+b\r\n"},
        {"L", "~3\r\n"},
        {"L", ">3\r\n"},
        {"V", "#t\r\n"},
        {"V", ",1.5\r\n"},
        {"V", "|1\r\n+a\r\n+b\r\n+OK\r\n"},
        {"V", "HTTP/1.1 400 Bad Request\r\n"},
        {"V", "\r\n\r\n"},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct slice bytes = slice_of(cases[i].bytes);
        for (size_t at_once = 1; at_once <= bytes.size; at_once++) {
            begin(cases[i].commands);
            if (feed(bytes, at_once) == NULL) {
                fail_msg("taken: %s", cases[i].bytes);
            }
            redis_exchange_abandon(exchange);
            redis_exchange_destroy(&exchange);
        }
    }
}

/* An answer that does not end is not read for ever, whatever it is made of. */
static void test_size(NO_STATE)
{
    static const struct {
        const char *commands, *head;
    } cases[] = {
        {"V", "+"},
        {"V", "-"},
        {"V", ":"},
        {"V", "$"},
        {"L", "*"},
        {"V", "$2147483647\r\n"},
        {"V", "$9223372036854775807\r\n"},
        {"L", "*3\r\n$2147483647\r\n"},
        {"O", "*2147483647\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n$2147483647\r\n"},
    };
    char filler[1024];
    memset(filler, '0', sizeof filler);
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *wrong = NULL;
        size_t size = 0;
        begin(cases[i].commands);
        assert_null(feed(slice_of(cases[i].head), SIZE_MAX));
        for (; wrong == NULL && size < FLOOD_SIZE_BYTES; size += sizeof filler) {
            wrong = feed(slice_make(filler, sizeof filler), SIZE_MAX);
        }
        assert_non_null(wrong);
        redis_exchange_abandon(exchange);
        redis_exchange_destroy(&exchange);
    }
}

/* ---- the end ---- */

static void test_end_in_an_answer(NO_STATE)
{
    begin("VLV");
    ends_it = true;
    assert_null(feed(slice_of("+OK\r\n*3\r\n$1\r\na\r\n"), SIZE_MAX));
    unit_expect_text("ended", text_slice(&told), "value:answered list:lost value:lost ");
    const struct redis_command late = {.on_end = ended};
    assert_false(redis_exchange_expect(exchange, &late));
    assert_non_null(feed(slice_of("+OK\r\n"), SIZE_MAX));
    redis_exchange_destroy(&exchange);
}

static void test_commands_are_bounded(NO_STATE)
{
    const struct redis_command command = {.on_end = ended, .data = value_name};
    begin("");
    for (size_t i = 0; i < REDIS_COMMANDS_MAX; i++) {
        expect_command('V');
    }
    assert_int_equal(redis_exchange_size(exchange), REDIS_COMMANDS_MAX);
    assert_int_equal(redis_exchange_oldest_us(exchange), 17);
    assert_false(redis_exchange_expect(exchange, &command));
    assert_null(feed(slice_of("+OK\r\n"), SIZE_MAX));
    assert_true(redis_exchange_expect(exchange, &command));
    redis_exchange_destroy(&exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_rubbish),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_end_in_an_answer),
        cmocka_unit_test(test_commands_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
