/* A batch's parts: which comes next, and that what cannot be sent is told. Here no connection takes
 * anything, as libpq has it where there is none. */
#include "unit.h"

#include "rsvpd/store/pg_exchange.h"
#include "rsvpd/store/pg_shard_call.h"

enum { SIZE = 3 };

static struct pg_parameters parameters;
static struct operation operations[SIZE];
static struct batch batch;
static struct pg_exchange exchange;

/* Of two entities, out of order. */
static void make(enum operation_kind kind, enum write_path path)
{
    static const char *const ids[SIZE][2] = {{"e2", "u1"}, {"e1", "u2"}, {"e1", "u1"}};
    batch = (struct batch){
        .relation = &relations[RELATION_RSVP], .kind = kind, .path = path, .size = SIZE};
    for (size_t i = 0; i < SIZE; i++) {
        operations[i] = (struct operation){.kind = kind,
                                           .relation = batch.relation,
                                           .entity = unit_id(ids[i][0]),
                                           .user = unit_id(ids[i][1]),
                                           .path = path,
                                           .arrival = i + 1};
        batch.operations[i] = &operations[i];
    }
    exchange = (struct pg_exchange){.batch = &batch, .parameters = &parameters};
}

static const struct instant now = {.mono_us = 1000, .wall_us = 2000};

static void test_what_cannot_be_sent(NO_STATE)
{
    static const struct {
        enum operation_kind kind;
        enum write_path path;
        size_t size;
    } cases[] = {
        {OPERATION_ADD, PATH_PLAIN, SIZE},          {OPERATION_ADD, PATH_KEYED, SIZE},
        {OPERATION_ADD, PATH_ADMITTED, SIZE},       {OPERATION_REMOVE, PATH_PLAIN, SIZE},
        {OPERATION_REMOVE, PATH_ADMITTED, SIZE},    {OPERATION_LOOKUP, PATH_PLAIN, SIZE},
        {OPERATION_COUNT, PATH_PLAIN, SIZE},        {OPERATION_FIND, PATH_PLAIN, SIZE},
        {OPERATION_LIST_USERS, PATH_PLAIN, SIZE},   {OPERATION_LIST_ENTITIES, PATH_PLAIN, SIZE},
        {OPERATION_LIST_WAITING, PATH_PLAIN, SIZE}, {OPERATION_SETTINGS, PATH_PLAIN, SIZE},
        {OPERATION_STORE_SETTINGS, PATH_PLAIN, 1},  {OPERATION_CLEAR_SETTINGS, PATH_PLAIN, 1},
        {OPERATION_EXPIRE_KEYS, PATH_PLAIN, 1},     {OPERATION_ERASE_KEYS, PATH_PLAIN, 1},
        {OPERATION_LIST_WAITS, PATH_PLAIN, SIZE},   {OPERATION_LIST_KEPT, PATH_PLAIN, SIZE},
        {OPERATION_LIST_EVENTS, PATH_PLAIN, SIZE},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        make(cases[i].kind, cases[i].path);
        batch.size = cases[i].size;
        if (pg_exchange_begin(&exchange, now)) {
            fail_msg("kind %d on path %d was sent", cases[i].kind, cases[i].path);
        }
        assert_int_equal(exchange.part, PG_PART_WHOLE);
    }
    make(OPERATION_ADD, PATH_PLAIN);
    assert_false(pg_exchange_ask_paths(&exchange, now));
    assert_int_equal(exchange.part, PG_PART_ASK_PATHS);
}

static void test_it_is_sorted(NO_STATE)
{
    make(OPERATION_LOOKUP, PATH_PLAIN);
    assert_false(pg_exchange_begin(&exchange, now));
    assert_ptr_equal(batch.operations[0], &operations[2]);
    assert_ptr_equal(batch.operations[1], &operations[1]);
    assert_ptr_equal(batch.operations[2], &operations[0]);
}

/* Nothing of an attempt that was lost stays. */
static void test_it_begins_anew(NO_STATE)
{
    make(OPERATION_ADD, PATH_PLAIN);
    operations[0].kind = OPERATION_REMOVE;
    for (size_t i = 0; i < SIZE; i++) {
        operations[i].verdict = OUTCOME_FULL;
        *operation_write(&operations[i]) = (struct operation_write){
            .changed = true, .waiting = true, .replayed = true, .position = 7, .member = i == 0};
    }
    assert_false(pg_exchange_begin(&exchange, now));
    for (size_t i = 0; i < SIZE; i++) {
        const struct operation_write *write = operation_write(&operations[i]);
        assert_int_equal(operations[i].verdict, OUTCOME_DONE);
        assert_false(write->changed || write->waiting || write->replayed);
        assert_int_equal(write->position, 0);
        assert_int_equal(write->member, i != 0);
    }
}

static void test_what_comes_after_a_part(NO_STATE)
{
    static const struct {
        enum pg_exchange_part part;
        bool failed;
        enum pg_exchange_part next;
        bool ended;
    } cases[] = {
        {PG_PART_WHOLE, false, PG_PART_WHOLE, true},
        {PG_PART_WHOLE, true, PG_PART_WHOLE, true},
        {PG_PART_LOOK_UP_KEYS, false, PG_PART_WORK, false},
        {PG_PART_LOOK_UP_KEYS, true, PG_PART_ROLL_BACK, false},
        {PG_PART_WORK, false, PG_PART_STORE_KEYS, false},
        {PG_PART_WORK, true, PG_PART_ROLL_BACK, false},
        {PG_PART_STORE_KEYS, false, PG_PART_STORE_KEYS, true},
        {PG_PART_STORE_KEYS, true, PG_PART_ROLL_BACK, false},
        {PG_PART_ROLL_BACK, false, PG_PART_ROLL_BACK, true},
        {PG_PART_ROLL_BACK, true, PG_PART_ROLL_BACK, true},
        {PG_PART_ASK_PATHS, false, PG_PART_ASK_PATHS, true},
        {PG_PART_ASK_PATHS, true, PG_PART_ASK_PATHS, true},
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        make(OPERATION_ADD, PATH_KEYED);
        exchange.part = cases[i].part;
        assert_int_equal(pg_exchange_synced(&exchange, cases[i].failed),
                         cases[i].ended ? PG_EXCHANGE_ENDED : PG_EXCHANGE_BROKEN);
        assert_int_equal(exchange.part, cases[i].next);
    }
}

/* Only the first of those that carry one key, by arrival, goes on once none has been answered. */
static void test_keys(NO_STATE)
{
    static const enum write_path paths[] = {PATH_KEYED, PATH_ADMITTED};
    for (size_t i = 0; i < LENGTH(paths); i++) {
        make(OPERATION_ADD, paths[i]);
        for (size_t j = 0; j < SIZE; j++) {
            operation_write(&operations[j])->key = unit_key("k");
        }
        assert_false(pg_exchange_begin(&exchange, now));
        assert_int_equal(exchange.part, PG_PART_LOOK_UP_KEYS);
        assert_int_equal(exchange.keyed_size, SIZE);
        exchange.answered = exchange.queued; /* as if they had been sent */
        assert_int_equal(pg_exchange_synced(&exchange, false), PG_EXCHANGE_BROKEN);
        assert_int_equal(operations[0].verdict, OUTCOME_DONE);
        assert_int_equal(operations[1].verdict, OUTCOME_DONE); /* another user's */
        assert_int_equal(operations[2].verdict, OUTCOME_IN_FLIGHT);
    }
}

/* Where shards have become others, operations that wait may be of more than there can be. */
static void test_more_shards_than_can_be(NO_STATE)
{
    enum { MANY = PLACEMENTS_MAX + 1 };
    static struct operation many[MANY];
    make(OPERATION_LOOKUP, PATH_PLAIN);
    parameters.call = pg_shard_call_create();
    batch.size = MANY;
    for (size_t i = 0; i < MANY; i++) {
        many[i] = (struct operation){.kind = OPERATION_LOOKUP,
                                     .relation = batch.relation,
                                     .entity = unit_numbered_id("e", (unsigned)i),
                                     .user = unit_id("u"),
                                     .place = {.shard = (int64_t)i + 1, .server = 1}};
        batch.operations[i] = &many[i];
    }
    exchange.sharded = true;
    assert_false(pg_exchange_begin(&exchange, now));
    assert_true(exchange.calls);
    assert_int_equal(exchange.queued, 1);
    assert_ptr_equal(exchange.batch, &batch);
    pg_shard_call_destroy(&parameters.call);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_be_sent),
        cmocka_unit_test(test_it_is_sorted),
        cmocka_unit_test(test_it_begins_anew),
        cmocka_unit_test(test_what_comes_after_a_part),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_more_shards_than_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
