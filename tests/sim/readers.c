/* Those who watch. */
#include "readers.h"
#include "choice.h"
#include "world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    SECOND_US = 1000 * 1000,
    EVERY_US = SECOND_US,         /* as the contract has it: at most one event of an entity */
    FRESH_MAX_US = 4 * SECOND_US, /* what does not say stale, as for every count */
    READ_LATER_US = 3 * SECOND_US,
    COME_BACK_US = 500 * 1000,
    STAY_US = 10 * SECOND_US,
};

/* What a text says; it never leaves the simulation. */
struct news {
    enum relation_id relation;
    int entity;
    struct count count;
};

/* Texts are made without a word of whose they are. */
static struct world *writing;

struct hub_text *readers_write(const struct relation *relation, const struct identifier *entity,
                               const struct count *count)
{
    const struct news news = {relation->id, number_of(entity), *count};
    if (!writing->healing && choose_chance(&writing->random, writing->plan.texts_lost)) {
        world_note_fault(writing, FAULT_TEXT);
        return NULL;
    }
    struct hub_text *text = malloc(sizeof *text + sizeof news);
    assert(text != NULL);
    *text = (struct hub_text){.references = 1, .size = sizeof news};
    memcpy(text->data, &news, sizeof news);
    return text;
}

/* ---- what is told ---- */

static void check_told(struct world *world, const struct reader *reader, const struct news *news)
{
    const struct reader_told *told = &reader->told[news->entity];
    const struct count *count = &news->count;
    int64_t now_us = world->timeline.now_us;
    int64_t as_of_us = count->as_of_mono_us - reader->worker->process->clock_us;
    const struct model_row *row = pg_row(world, news->relation, (unsigned)news->entity);
    if (as_of_us != count->as_of_wall_us) {
        world_fail(world, "the two clocks of an event tell of one moment");
    }
    if (!model_history_was(&row->history, count->value, as_of_us)) {
        world_fail(world, "a stream tells what was true: %lld of entity %d was not",
                   (long long)count->value, news->entity);
    }
    if (!count->stale && now_us - as_of_us > FRESH_MAX_US) {
        world_fail(world, "a stream tells what is new enough or says stale: this is %lld us old",
                   (long long)(now_us - as_of_us));
    }
    if (told->any && now_us - told->at_us < EVERY_US) {
        world_fail(world, "a stream tells of one entity at most once a second: not %lld us after",
                   (long long)(now_us - told->at_us));
    }
}

/* A process never tells of an older version after a newer one, in streams or otherwise. */
static void check_version(struct world *world, const struct reader *reader, const struct news *news)
{
    const struct reader_told *told = &reader->told[news->entity];
    int64_t *of_process = &reader->worker->process->told_version[news->relation][news->entity];
    if (world->plan.redis_damage_every_us > 0) {
        return; /* Redis may claim versions that never were */
    }
    if (told->any && news->count.version < told->last.version) {
        world_fail(world, "no stream goes back: version %lld after %lld",
                   (long long)news->count.version, (long long)told->last.version);
    }
    *of_process = news->count.version > *of_process ? news->count.version : *of_process;
}

static void take(struct world *world, struct reader *reader, struct hub_text **text)
{
    struct news news;
    memcpy(&news, (*text)->data, sizeof news);
    hub_text_release(text);
    TRACE(world, "worker %lld tells a reader: entity %lld of relation %lld, %lld, version %lld",
          reader->worker->id, news.entity, news.relation, news.count.value, news.count.version);
    if (news.relation != reader->relation) {
        world_fail(world, "a stream tells of what it was opened for");
    }
    check_told(world, reader, &news);
    check_version(world, reader, &news);
    reader->told[news.entity] =
        (struct reader_told){.any = true, .last = news.count, .at_us = world->timeline.now_us};
    world->readers.events++;
}

static void read_on(struct world *world, void *reader_, uint64_t life);

static void read_after(struct reader *reader, int64_t most_us)
{
    struct world *world = reader->worker->world;
    reader->reading = true;
    timeline_add(&world->timeline,
                 world->timeline.now_us + choose_between(&world->random, 0, most_us), read_on,
                 reader, reader->worker->life);
}

/* It has room for a message, or for all there are. */
static void read_on(struct world *world, void *reader_, uint64_t life)
{
    struct reader *reader = reader_;
    if (reader->worker == NULL || reader->worker->life != life ||
        worker_puts_off(reader->worker, read_on, reader, life)) {
        return;
    }
    struct worker *worker = reader->worker;
    bool slow = !world->healing && choose_chance(&world->random, 2000);
    struct hub_text *text = NULL;
    enum hub_message message;
    while ((message = hub_next(service_hub(worker->service), reader->stream,
                               worker_now(worker).mono_us, &text)) != HUB_NOTHING) {
        if (message == HUB_EVENT) {
            take(world, reader, &text);
        }
        if (slow) {
            read_after(reader, READ_LATER_US);
            return;
        }
    }
    reader->reading = false;
}

static void wake(void *reader_)
{
    struct reader *reader = reader_;
    if (!reader->reading) {
        struct world *world = reader->worker->world;
        bool slow = !world->healing && choose_chance(&world->random, 2000);
        read_after(reader, slow ? READ_LATER_US : world->plan.turn_us);
    }
}

/* ---- coming and going ---- */

static void act(struct world *world, void *reader_, uint64_t number);

static void act_after(struct world *world, struct reader *reader, int64_t usual_us)
{
    timeline_add(&world->timeline, world->timeline.now_us + choose_delay(&world->random, usual_us),
                 act, reader, 0);
}

static void leave(struct reader *reader)
{
    hub_close(service_hub(reader->worker->service), reader->stream);
    free(reader->stream);
    reader->stream = NULL;
    reader->worker = NULL;
    reader->reading = false;
}

static void draw_entities(struct world *world, struct reader *reader)
{
    struct random *random = &world->random;
    reader->relation = choose_chance(random, 7500) ? RELATION_RSVP : RELATION_LIKE;
    reader->size = 1 + choose_below(random, READER_ENTITIES_MAX);
    for (size_t i = 0; i < reader->size; i++) {
        reader->entities[i] = choose_below(random, world->plan.entities);
    }
}

/* Comes back for the same, where it was told of one entity alone, or for anything. */
static void draw_stream(struct world *world, struct reader *reader)
{
    const struct reader_told *told = &reader->told[reader->entities[0]];
    reader->known_version = HUB_VERSION_UNKNOWN;
    if (reader->size == 1 && told->any && choose_chance(&world->random, 5000)) {
        reader->known_version = told->last.version;
    } else {
        draw_entities(world, reader);
    }
    memset(reader->told, 0, sizeof reader->told);
}

static void come(struct world *world, struct reader *reader, struct worker *worker)
{
    struct identifier entities[READER_ENTITIES_MAX];
    struct hub_stream *stream =
        calloc(1, sizeof *stream + sizeof stream->links[0] * READER_ENTITIES_MAX);
    assert(stream != NULL);
    draw_stream(world, reader);
    for (size_t i = 0; i < reader->size; i++) {
        entities[i] = name_of('e', reader->entities[i]);
    }
    stream->wake = wake;
    stream->owner = reader;
    stream->known_version = reader->known_version;
    if (!hub_open(service_hub(worker->service), stream, &relations[reader->relation], entities,
                  reader->size, choose_between(&world->random, 0, HUB_COMMENT_US),
                  worker_now(worker).mono_us)) {
        free(stream);
        return;
    }
    reader->worker = worker;
    reader->stream = stream;
    worker_wake(worker);
}

static void act(struct world *world, void *reader_, uint64_t number)
{
    struct reader *reader = reader_;
    (void)number;
    if (reader->worker != NULL) {
        if (!world->healing && !worker_puts_off(reader->worker, act, reader, 0)) {
            leave(reader);
            act_after(world, reader, COME_BACK_US);
        }
        return;
    }
    struct worker *worker = &world->workers[choose_below(&world->random, world->plan.workers)];
    if (worker->service != NULL && !worker_puts_off(worker, act, reader, 0)) {
        come(world, reader, worker);
    } else if (worker->service != NULL) {
        return;
    }
    act_after(world, reader, reader->worker == NULL ? COME_BACK_US : STAY_US);
}

void readers_start(struct world *world)
{
    writing = world;
    for (size_t i = 0; i < world->plan.readers; i++) {
        draw_entities(world, &world->readers.all[i]);
        act_after(world, &world->readers.all[i], COME_BACK_US);
    }
}

void readers_heal(struct world *world)
{
    for (size_t i = 0; i < world->plan.readers; i++) {
        act_after(world, &world->readers.all[i], COME_BACK_US);
    }
}

void readers_cut_off(const struct worker *worker)
{
    struct world *world = worker->world;
    for (size_t i = 0; i < world->plan.readers; i++) {
        if (world->readers.all[i].worker == worker) {
            leave(&world->readers.all[i]);
        }
    }
}

void readers_free(struct world *world)
{
    for (size_t i = 0; i < world->plan.workers; i++) {
        readers_cut_off(&world->workers[i]);
    }
}

/* ---- the end ---- */

static void check_last(struct world *world, const struct reader *reader, unsigned entity)
{
    const struct model_history *history = &pg_row(world, reader->relation, entity)->history;
    const struct reader_told *told = &reader->told[entity];
    int64_t value = history->at[history->size - 1].value, version = (int64_t)history->size - 1;
    bool damaged = world->plan.redis_damage_every_us > 0;
    if (!told->any) {
        if (reader->known_version == HUB_VERSION_UNKNOWN ||
            (!damaged && reader->known_version != version)) {
            world_fail(world, "everybody is told of what they watch: of entity %u nobody was",
                       entity);
        }
        return;
    }
    if (told->last.stale || told->last.value != value ||
        (!damaged && told->last.version != version)) {
        world_fail(world, "every stream ends at the last count: %lld of version %lld, not %lld",
                   (long long)told->last.value, (long long)told->last.version, (long long)value);
    }
}

void readers_check_end(struct world *world)
{
    for (size_t i = 0; i < world->plan.readers; i++) {
        const struct reader *reader = &world->readers.all[i];
        if (reader->worker == NULL) {
            world_fail(world, "everybody may watch once all is well");
        }
        for (size_t j = 0; j < reader->size; j++) {
            check_last(world, reader, reader->entities[j]);
        }
    }
}
