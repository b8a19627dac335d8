/* What keeps streams up to date: own commits, other workers, Redis, the primary; and how often they
 * are asked. */
#include "bench.h"
#include "unit.h"

#include "rsvpd/service/watch.h"

#include <stdio.h>
#include <stdlib.h>

enum { HEARD_SIZE = 256, MANY = 600 };

static const struct relation *const rsvp = &relations[RELATION_RSVP];

/* A stream of one entity, and what it was sent. */
struct reader {
    struct bench *bench;
    struct hub_stream *stream;
    char heard[HEARD_SIZE];
};

static void ignore(void *unused)
{
    (void)unused;
}

static struct reader open_reader(struct bench *bench, const char *id)
{
    struct reader reader = {.bench = bench};
    struct identifier entity = unit_id(id);
    reader.stream = malloc(sizeof *reader.stream + sizeof reader.stream->links[0]);
    assert_non_null(reader.stream);
    reader.stream->wake = ignore;
    reader.stream->known_version = HUB_VERSION_UNKNOWN;
    assert_true(hub_open(service_hub(bench->service), reader.stream, rsvp, &entity, 1,
                         HUB_COMMENT_US, bench->now.mono_us));
    return reader;
}

static void close_reader(struct reader *reader)
{
    hub_close(service_hub(reader->bench->service), reader->stream);
    free(reader->stream);
}

static void expect_heard(struct reader *reader, const char *expected)
{
    struct hub_text *text = NULL;
    size_t size = 0;
    enum hub_message message;
    while ((message = hub_next(service_hub(reader->bench->service), reader->stream,
                               reader->bench->now.mono_us, &text)) != HUB_NOTHING) {
        if (message == HUB_EVENT) {
            memcpy(reader->heard + size, text->data, text->size);
            size += text->size;
        }
        hub_text_release(&text);
    }
    reader->heard[size] = '\0';
    assert_string_equal(reader->heard, expected);
}

/* Time in which all that is asked is answered at once. */
static void live(struct bench *bench, int64_t us)
{
    for (int64_t step_us = 20 * 1000; us > 0; us -= step_us) {
        bench_wait(bench, step_us);
        bench_settle(bench);
    }
}

static void change(struct bench *bench, const char *user)
{
    fake_primary_change(&bench->primary, OPERATION_ADD, rsvp, "e", user, bench->now);
}

static void hold(struct bench *bench, int64_t value, int64_t version)
{
    struct count count = {.value = value, .version = version, .as_of_wall_us = bench->now.wall_us};
    fake_redis_counts_hold(&bench->redis, rsvp, "e", &count);
}

static struct bench *without_redis(void)
{
    struct bench_setup setup = bench_usual;
    setup.has_redis = false;
    return bench_create(&setup);
}

static void own_commits_are_told_at_once(NO_STATE)
{
    struct bench *bench = without_redis();
    struct reader reader = open_reader(bench, "e");
    bench_settle(bench);
    expect_heard(&reader, "0@0 ");
    live(bench, SECONDS(1.1));
    const struct ask *ask = bench_add(bench, "e", "u");
    bench_settle(bench);
    bench_expect(ask, OUTCOME_DONE);
    expect_heard(&reader, "1@1 ");
    close_reader(&reader);
    bench_finish(bench);
}

static void redis_is_asked_once_a_second(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    hold(bench, 3, 3);
    struct reader reader = open_reader(bench, "e");
    bench_settle(bench);
    expect_heard(&reader, "3@3 ");
    for (int64_t round = 4; round < 8; round++) {
        bench_wait(bench, SECONDS(0.5));
        hold(bench, round, round);
        bench_turn(bench);
        assert_int_equal(bench->redis.read_count, 0);
        bench_wait(bench, SECONDS(0.6));
        bench_turn(bench);
        assert_int_equal(bench->redis.read_count, 1);
        fake_redis_counts_answer(&bench->redis, bench->now);
        bench_turn(bench);
        char expected[32];
        snprintf(expected, sizeof expected, "%d@%d ", (int)round, (int)round);
        expect_heard(&reader, expected);
    }
    assert_int_equal(bench->primary.batches_sent, 0);
    close_reader(&reader);
    bench_finish(bench);
}

static void what_redis_lacks_comes_from_the_primary(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    struct reader reader = open_reader(bench, "e");
    bench_settle(bench);
    expect_heard(&reader, "0@0 ");
    change(bench, "u");
    bench->redis.held_count = 0;
    live(bench, SECONDS(1.1));
    expect_heard(&reader, "1@1 ");
    change(bench, "v");
    bench->redis.up = false;
    live(bench, SECONDS(1.1));
    expect_heard(&reader, "2@2 ");
    bench->redis.up = true;
    bench->redis.takes = false;
    change(bench, "w");
    live(bench, SECONDS(1.1));
    expect_heard(&reader, "3@3 ");
    bench->redis.takes = true;
    close_reader(&reader);
    bench_finish(bench);
}

static void other_workers_are_looked_up(NO_STATE)
{
    struct bench *bench = without_redis();
    struct bench_setup setup = bench->setup;
    setup.colleague = bench;
    struct bench *other = bench_create(&setup);
    struct reader reader = open_reader(bench, "e");
    bench_settle(bench);
    expect_heard(&reader, "0@0 ");
    live(bench, SECONDS(1.05));
    size_t sent = bench->primary.batches_sent;
    const struct ask *ask = bench_add(other, "e", "u");
    bench_settle(other);
    bench_expect(ask, OUTCOME_DONE);
    live(bench, SECONDS(0.2));
    expect_heard(&reader, "1@1 ");
    assert_int_equal(bench->primary.batches_sent, sent); /* nobody was asked */
    close_reader(&reader);
    bench_finish(other);
    bench_finish(bench);
}

static void staleness_comes_and_goes(NO_STATE)
{
    struct bench *bench = without_redis();
    change(bench, "u");
    struct reader reader = open_reader(bench, "e");
    bench_settle(bench);
    expect_heard(&reader, "1@1 ");
    fake_primary_set_up(&bench->primary, false, bench->now);
    live(bench, SECONDS(3));
    expect_heard(&reader, ""); /* it is within the bound */
    live(bench, SECONDS(2.1));
    expect_heard(&reader, "1@1! ");
    struct reader newcomer = open_reader(bench, "e");
    bench_settle(bench);
    expect_heard(&newcomer, "1@1! ");
    struct reader unknown = open_reader(bench, "never-seen");
    live(bench, SECONDS(20));
    expect_heard(&unknown, "");
    expect_heard(&reader, "");
    fake_primary_set_up(&bench->primary, true, bench->now);
    live(bench, SECONDS(1.1));
    expect_heard(&reader, "1@1 ");
    expect_heard(&newcomer, "1@1 ");
    expect_heard(&unknown, "0@0 ");
    close_reader(&reader);
    close_reader(&newcomer);
    close_reader(&unknown);
    bench_finish(bench);
}

/* The operations of others are not used up. */
static void a_part_of_the_operations_is_used(NO_STATE)
{
    enum { READERS = 100 };
    struct bench *bench = without_redis(); /* of 64 operations */
    struct reader readers[READERS];
    char id[16];
    for (int i = 0; i < READERS; i++) {
        snprintf(id, sizeof id, "e%d", i);
        readers[i] = open_reader(bench, id);
    }
    bench_turn(bench);
    const struct ask *ask = bench_add(bench, "e", "u");
    assert_false(ask->refused);
    bench_settle(bench);
    bench_expect(ask, OUTCOME_DONE);
    for (int i = 0; i < READERS; i++) {
        expect_heard(&readers[i], "0@0 ");
    }
    for (int i = 0; i < READERS; i++) {
        close_reader(&readers[i]);
    }
    bench_finish(bench);
}

static void one_command_follows_the_other(NO_STATE)
{
    struct bench_setup setup = bench_usual;
    setup.pending_max = 4096;
    struct bench *bench = bench_create(&setup);
    static struct reader readers[MANY];
    char id[16];
    for (int i = 0; i < MANY; i++) {
        struct count count = {.value = i, .version = 1, .as_of_wall_us = bench->now.wall_us};
        snprintf(id, sizeof id, "e%d", i);
        fake_redis_counts_hold(&bench->redis, rsvp, id, &count);
        readers[i] = open_reader(bench, id);
    }
    bench_turn(bench);
    assert_int_equal(bench->redis.read_count, 1);
    assert_int_equal(bench->redis.reads[0].size, WATCH_ASKED_MAX);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_turn(bench);
    assert_int_equal(bench->redis.read_count, 1);
    assert_int_equal(bench->redis.reads[0].size, MANY - WATCH_ASKED_MAX);
    fake_redis_counts_answer(&bench->redis, bench->now);
    bench_turn(bench);
    assert_int_equal(bench->redis.read_count, 0);
    for (int i = 0; i < MANY; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%d@1 ", i);
        expect_heard(&readers[i], expected);
        close_reader(&readers[i]);
    }
    bench_finish(bench);
}

/* An answer may come when nobody watches any more, or somebody else does. */
static void readers_may_leave_while_it_is_asked(NO_STATE)
{
    struct bench *bench = bench_create(&bench_usual);
    struct reader reader = open_reader(bench, "e");
    bench_turn(bench);
    close_reader(&reader);
    bench_settle(bench);
    reader = open_reader(bench, "e");
    bench_turn(bench);
    close_reader(&reader);
    reader = open_reader(bench, "e");
    bench_settle(bench);
    expect_heard(&reader, "0@0 ");
    close_reader(&reader);
    bench_finish(bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_commits_are_told_at_once),
        cmocka_unit_test(redis_is_asked_once_a_second),
        cmocka_unit_test(what_redis_lacks_comes_from_the_primary),
        cmocka_unit_test(other_workers_are_looked_up),
        cmocka_unit_test(staleness_comes_and_goes),
        cmocka_unit_test(a_part_of_the_operations_is_used),
        cmocka_unit_test(one_command_follows_the_other),
        cmocka_unit_test(readers_may_leave_while_it_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
