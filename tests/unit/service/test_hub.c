/* The hub: who is told what and when, in virtual time. */
#include "unit.h"

#include "rsvpd/service/hub.h"

#include <stdio.h>
#include <stdlib.h>

enum { READERS_MAX = 300, IDS_MAX = 100, HEARD_SIZE = 4096, SECOND_US = 1000 * 1000 };

static const struct relation *const rsvp = &relations[RELATION_RSVP];

/* ---- a source that the test speaks for ---- */

static struct {
    struct list topics; /* watched */
    size_t count, room;
    bool no_memory; /* for texts */
    size_t written; /* texts */
} source;

static bool watch(void *unused, struct hub_topic *topic)
{
    (void)unused;
    if (source.count == source.room) {
        return false;
    }
    list_push_back(&source.topics, &topic->watched);
    source.count++;
    return true;
}

static void unwatch(void *unused, struct hub_topic *topic)
{
    (void)unused;
    list_remove(&topic->watched);
    source.count--;
}

static struct hub_text *write_text(const struct relation *relation, const struct identifier *entity,
                                   const struct count *count)
{
    enum { SIZE = 256 };
    struct hub_text *text = source.no_memory ? NULL : malloc(sizeof *text + SIZE);
    (void)relation;
    if (text != NULL) {
        int size =
            snprintf(text->data, SIZE, "%.*s=%lld@%lld%s ", (int)entity->size, entity->data,
                     (long long)count->value, (long long)count->version, count->stale ? "!" : "");
        *text = (struct hub_text){.references = 1, .size = (size_t)size};
        source.written++;
    }
    return text;
}

/* ---- readers ---- */

struct reader {
    struct hub_stream *stream; /* NULL: closed */
    unsigned wakes;
    size_t heard_size;
    char heard[HEARD_SIZE]; /* texts; a comment is ":" */
};

static struct hub hub;
static struct metrics *metrics;
static int64_t now_us;
static struct reader readers[READERS_MAX];

static void wake(void *reader)
{
    ((struct reader *)reader)->wakes++;
}

static bool open_for(struct reader *reader, const struct identifier *ids, size_t size,
                     int64_t known_version)
{
    *reader = (struct reader){.wakes = 0};
    reader->stream = malloc(sizeof *reader->stream + size * sizeof reader->stream->links[0]);
    assert_non_null(reader->stream);
    reader->stream->wake = wake;
    reader->stream->owner = reader;
    reader->stream->known_version = known_version;
    if (hub_open(&hub, reader->stream, rsvp, ids, size, HUB_COMMENT_US, now_us)) {
        return true;
    }
    free(reader->stream);
    reader->stream = NULL;
    return false;
}

static void open_one(struct reader *reader, const char *id, int64_t known_version)
{
    struct identifier entity = unit_id(id);
    assert_true(open_for(reader, &entity, 1, known_version));
}

static void close_one(struct reader *reader)
{
    hub_close(&hub, reader->stream);
    free(reader->stream);
    reader->stream = NULL;
}

/* Reads all that there is, as a connection with room does. */
static void read_all(struct reader *reader)
{
    struct hub_text *text = NULL;
    enum hub_message message;
    while ((message = hub_next(&hub, reader->stream, now_us, &text)) != HUB_NOTHING) {
        struct slice said =
            message == HUB_COMMENT ? slice_of(":") : slice_make(text->data, text->size);
        assert_true(reader->heard_size + said.size < HEARD_SIZE);
        memcpy(reader->heard + reader->heard_size, said.data, said.size);
        reader->heard_size += said.size;
        hub_text_release(&text);
    }
    reader->heard[reader->heard_size] = '\0';
}

static void expect_heard(struct reader *reader, const char *expected)
{
    read_all(reader);
    assert_string_equal(reader->heard, expected);
    reader->heard_size = 0;
    reader->heard[0] = '\0';
}

/* ---- the world ---- */

static struct hub_topic *topic_of(const char *id)
{
    struct identifier entity = unit_id(id);
    for (struct list_node *node = source.topics.head.next; node != &source.topics.head;
         node = node->next) {
        struct hub_topic *topic = list_entry(node, struct hub_topic, watched);
        if (identifier_equal(&topic->entity, &entity)) {
            return topic;
        }
    }
    fail_msg("nobody watches %s", id);
    return NULL;
}

static void learn(const char *id, int64_t value, bool stale)
{
    struct count count = {.value = value,
                          .version = value * 10,
                          .as_of_wall_us = now_us,
                          .as_of_mono_us = now_us,
                          .stale = stale};
    hub_learn(&hub, topic_of(id), &count, now_us);
}

/* Iterations until there is nothing to do at once. */
static void turn(void)
{
    while (hub_end_iteration(&hub, now_us)) {
    }
}

static void pass(int64_t us)
{
    for (int64_t end_us = now_us + us; now_us < end_us;) {
        now_us += HUB_TICK_US < end_us - now_us ? HUB_TICK_US : end_us - now_us;
        turn();
    }
}

static int set_up(NO_STATE)
{
    const struct hub_source from = {.watch = watch, .unwatch = unwatch};
    list_init(&source.topics);
    source.count = source.written = 0;
    source.room = SIZE_MAX;
    source.no_memory = false;
    memset(readers, 0, sizeof readers);
    now_us = SECOND_US;
    metrics = metrics_create();
    assert_non_null(metrics);
    assert_true(hub_init(&hub, &from, write_text, metrics, 64, 7, now_us));
    return 0;
}

static int tear_down(NO_STATE)
{
    for (size_t i = 0; i < READERS_MAX; i++) {
        if (readers[i].stream != NULL) {
            close_one(&readers[i]);
        }
    }
    assert_int_equal(source.count, 0);
    assert_int_equal(metrics_get(metrics, METRIC_STREAMS), 0);
    hub_free(&hub);
    free(metrics);
    return 0;
}

/* ---- when somebody is told ---- */

static void what_is_known_is_told_at_once(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    turn();
    assert_int_equal(readers[0].wakes, 0); /* nothing is known */
    expect_heard(&readers[0], "");
    learn("e", 3, false);
    turn();
    assert_int_equal(readers[0].wakes, 1);
    expect_heard(&readers[0], "e=3@30 ");
    open_one(&readers[1], "e", HUB_VERSION_UNKNOWN);
    turn();
    expect_heard(&readers[1], "e=3@30 ");
    expect_heard(&readers[0], "");
}

static void changes_are_told_once_a_second_and_the_newest(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    learn("e", 1, false);
    turn();
    expect_heard(&readers[0], "e=1@10 ");
    learn("e", 2, false);
    pass(SECOND_US - 1);
    expect_heard(&readers[0], "");
    learn("e", 3, false);
    pass(2 * HUB_TICK_US);
    expect_heard(&readers[0], "e=3@30 ");
    assert_int_equal(metrics_get(metrics, METRIC_STREAM_SKIPPED), 1);
    pass(SECOND_US);
    expect_heard(&readers[0], "");
    learn("e", 4, false); /* nothing was told for a second */
    turn();
    expect_heard(&readers[0], "e=4@40 ");
}

static void the_same_again_is_told_nobody(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    for (int i = 0; i < 5; i++) {
        learn("e", 1, false); /* as of later */
        pass(2 * SECOND_US);
    }
    expect_heard(&readers[0], "e=1@10 ");
}

static void staleness_is_a_change(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    learn("e", 1, false);
    turn();
    pass(SECOND_US);
    learn("e", 1, true);
    pass(SECOND_US + HUB_TICK_US);
    expect_heard(&readers[0], "e=1@10! ");
    learn("e", 1, false);
    pass(SECOND_US + HUB_TICK_US);
    expect_heard(&readers[0], "e=1@10 ");
}

/* Though nobody has said that it is stale: the source may be late itself. */
static void what_is_read_too_late_is_told_as_stale(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    open_one(&readers[1], "e", HUB_VERSION_UNKNOWN);
    learn("e", 1, false);
    turn();
    pass(4 * SECOND_US);
    expect_heard(&readers[0], "e=1@10 ");
    now_us++;
    expect_heard(&readers[1], "e=1@10! ");
    pass(SECOND_US + HUB_TICK_US);
    expect_heard(&readers[0], "e=1@10! ");
    learn("e", 1, false);
    pass(SECOND_US + HUB_TICK_US);
    expect_heard(&readers[0], "e=1@10 ");
    expect_heard(&readers[1], "e=1@10 ");
}

/* Who comes while others wait for their second is told what is newest, and then not before a second
 * of its own. */
static void each_stream_has_its_own_second(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    learn("e", 1, false);
    turn();
    expect_heard(&readers[0], "e=1@10 ");
    pass(SECOND_US * 9 / 10);
    learn("e", 2, false);
    open_one(&readers[1], "e", HUB_VERSION_UNKNOWN);
    turn();
    expect_heard(&readers[1], "e=2@20 ");
    expect_heard(&readers[0], "");
    learn("e", 3, false);
    pass(SECOND_US / 5);
    expect_heard(&readers[0], "e=3@30 ");
    expect_heard(&readers[1], "");
    pass(SECOND_US * 9 / 10);
    expect_heard(&readers[1], "e=3@30 ");
    expect_heard(&readers[0], "");
}

static void who_knows_the_version_is_not_told_it(NO_STATE)
{
    open_one(&readers[0], "e", 10);
    open_one(&readers[1], "e", 9);
    learn("e", 1, false);
    turn();
    pass(3 * SECOND_US);
    expect_heard(&readers[0], "");
    assert_int_equal(readers[0].wakes, 0);
    expect_heard(&readers[1], "e=1@10 ");
    learn("e", 2, false);
    turn();
    expect_heard(&readers[0], "e=2@20 ");
    open_one(&readers[2], "stale", 10); /* which it may not know */
    learn("stale", 1, true);
    turn();
    expect_heard(&readers[2], "stale=1@10! ");
}

/* ---- many ---- */

static void each_entity_of_a_stream_is_told_once(NO_STATE)
{
    struct identifier ids[IDS_MAX];
    char id[8];
    for (unsigned i = 0; i < IDS_MAX; i++) {
        ids[i] = unit_numbered_id("e", i % (IDS_MAX / 2)); /* each twice */
    }
    assert_true(open_for(&readers[0], ids, IDS_MAX, HUB_VERSION_UNKNOWN));
    assert_int_equal(source.count, IDS_MAX / 2);
    for (int i = 0; i < IDS_MAX / 2; i++) {
        snprintf(id, sizeof id, "e%d", i);
        learn(id, i, false);
    }
    turn();
    read_all(&readers[0]);
    size_t events = 0;
    for (const char *at = readers[0].heard; (at = strchr(at, ' ')) != NULL; at++) {
        events++;
    }
    assert_int_equal(events, IDS_MAX / 2);
    readers[0].heard_size = 0;
    learn("e7", 8, false);
    pass(SECOND_US + HUB_TICK_US);
    expect_heard(&readers[0], "e7=8@80 ");
}

static void a_text_is_written_once_for_all(NO_STATE)
{
    for (size_t i = 0; i < READERS_MAX; i++) {
        open_one(&readers[i], "e", HUB_VERSION_UNKNOWN);
    }
    learn("e", 1, false);
    turn();
    for (size_t i = 0; i < READERS_MAX; i++) {
        expect_heard(&readers[i], "e=1@10 ");
    }
    assert_int_equal(source.written, 1);
    assert_int_equal(metrics_get(metrics, METRIC_STREAM_EVENTS), READERS_MAX);
}

static void an_iteration_wakes_a_few(NO_STATE)
{
    unsigned woken = 0;
    for (size_t i = 0; i < READERS_MAX; i++) {
        open_one(&readers[i], "e", HUB_VERSION_UNKNOWN);
    }
    learn("e", 1, false);
    assert_true(hub_end_iteration(&hub, now_us));
    for (size_t i = 0; i < READERS_MAX; i++) {
        woken += readers[i].wakes;
    }
    assert_int_equal(woken, HUB_WAKES_PER_ITERATION);
    turn();
    for (size_t i = 0; i < READERS_MAX; i++) {
        assert_int_equal(readers[i].wakes, 1);
    }
}

static void streams_may_leave_while_others_are_told(NO_STATE)
{
    struct random random = unit_random(2);
    for (size_t i = 0; i < READERS_MAX; i++) {
        open_one(&readers[i], i % 3 == 0 ? "f" : "e", HUB_VERSION_UNKNOWN);
    }
    learn("e", 1, false);
    learn("f", 1, false);
    bool more = true;
    while (more) {
        more = hub_end_iteration(&hub, now_us);
        for (int i = 0; i < 40; i++) {
            struct reader *reader = &readers[unit_below(&random, READERS_MAX)];
            if (reader->stream != NULL) {
                close_one(reader);
            }
        }
    }
    for (size_t i = 0; i < READERS_MAX; i++) {
        if (readers[i].stream != NULL) {
            expect_heard(&readers[i], i % 3 == 0 ? "f=1@10 " : "e=1@10 ");
        }
    }
}

/* ---- what goes wrong ---- */

static void who_is_slow_misses_all_but_the_last(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    learn("e", 1, false);
    turn();
    expect_heard(&readers[0], "e=1@10 ");
    for (int64_t value = 2; value <= 9; value++) {
        learn("e", value, false);
        pass(2 * SECOND_US);
    }
    assert_int_equal(source.written, 1); /* nobody could take more */
    expect_heard(&readers[0], "e=9@90 ");
    assert_int_equal(metrics_get(metrics, METRIC_STREAM_SKIPPED), 7);
    assert_int_equal(source.written, 2);
}

static void what_cannot_be_watched_is_not_opened(NO_STATE)
{
    struct identifier ids[3] = {unit_id("a"), unit_id("b"), unit_id("c")};
    source.room = 2;
    assert_false(open_for(&readers[0], ids, 3, HUB_VERSION_UNKNOWN));
    assert_int_equal(source.count, 0);
    assert_true(open_for(&readers[0], ids, 2, HUB_VERSION_UNKNOWN));
}

static void without_memory_it_is_told_later(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    open_one(&readers[1], "e", HUB_VERSION_UNKNOWN);
    learn("e", 1, false);
    source.no_memory = true;
    turn();
    expect_heard(&readers[0], "");
    source.no_memory = false;
    expect_heard(&readers[1], "e=1@10 ");
    pass(SECOND_US + HUB_TICK_US);
    expect_heard(&readers[0], "e=1@10 ");
    expect_heard(&readers[1], "");
}

/* ---- comments ---- */

static void who_hears_nothing_gets_a_comment(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    open_one(&readers[1], "busy", HUB_VERSION_UNKNOWN);
    for (int64_t second = 1; second <= 9; second++) {
        learn("busy", second, false);
        pass(SECOND_US);
        read_all(&readers[1]);
    }
    expect_heard(&readers[0], "");
    readers[1].heard_size = 0;
    pass(3 * SECOND_US / 2);
    expect_heard(&readers[0], ":");
    expect_heard(&readers[1], "");
    pass(HUB_COMMENT_US + SECOND_US / 2);
    expect_heard(&readers[0], ":");
    expect_heard(&readers[1], ":");
}

static void a_comment_that_could_not_go_is_one(NO_STATE)
{
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    pass(10 * HUB_COMMENT_US);
    expect_heard(&readers[0], ":");
}

static void streams_may_come_after_long_silence(NO_STATE)
{
    now_us += 1000 * (int64_t)SECOND_US; /* nobody turned meanwhile */
    open_one(&readers[0], "e", HUB_VERSION_UNKNOWN);
    learn("e", 1, false);
    turn();
    expect_heard(&readers[0], "e=1@10 ");
    learn("e", 2, false);
    pass(SECOND_US / 2);
    expect_heard(&readers[0], "");
    pass(SECOND_US / 2 + HUB_TICK_US);
    expect_heard(&readers[0], "e=2@20 ");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(what_is_known_is_told_at_once),
        CASE(changes_are_told_once_a_second_and_the_newest),
        CASE(the_same_again_is_told_nobody),
        CASE(staleness_is_a_change),
        CASE(what_is_read_too_late_is_told_as_stale),
        CASE(each_stream_has_its_own_second),
        CASE(who_knows_the_version_is_not_told_it),
        CASE(each_entity_of_a_stream_is_told_once),
        CASE(a_text_is_written_once_for_all),
        CASE(an_iteration_wakes_a_few),
        CASE(streams_may_leave_while_others_are_told),
        CASE(who_is_slow_misses_all_but_the_last),
        CASE(what_cannot_be_watched_is_not_opened),
        CASE(without_memory_it_is_told_later),
        CASE(who_hears_nothing_gets_a_comment),
        CASE(a_comment_that_could_not_go_is_one),
        CASE(streams_may_come_after_long_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
