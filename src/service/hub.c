/* Who watches which counts, and when each of them is told what. */
#include "rsvpd/service/hub.h"
#include "rsvpd/domain/count_memory.h"

#include <assert.h>
#include <stdlib.h>

enum {
    COMMENT_TICK_US = 100 * 1000,
    NEVER_TOLD = INT32_MIN, /* before all times */
};

static_assert(METRICS_RELATIONS == (int)RELATION_COUNT, "each relation has its histogram of lags");

void hub_text_release(struct hub_text **text)
{
    if (*text != NULL && --(*text)->references == 0) {
        free(*text);
    }
    *text = NULL;
}

bool hub_init(struct hub *hub, const struct hub_source *source, hub_write_fn *write,
              struct metrics *metrics, size_t topics, uint64_t secret, int64_t now_us)
{
    *hub = (struct hub){.source = *source, .write = write, .metrics = metrics};
    list_init(&hub->telling);
    bool made = hash_table_init(&hub->topics, topics, secret);
    made = wheel_init(&hub->due, HUB_TICK_US, HUB_EVERY_US, now_us) && made;
    return wheel_init(&hub->comments, COMMENT_TICK_US, HUB_COMMENT_US, now_us) && made;
}

void hub_free(struct hub *hub)
{
    assert(hub->streams == 0 && hub->topics.size == 0);
    hash_table_free(&hub->topics);
    wheel_free(&hub->due);
    wheel_free(&hub->comments);
}

static void unlink_node(struct list_node *node)
{
    if (list_linked(node)) {
        list_remove(node);
    }
}

/* ---- topics ---- */

struct topic_key {
    const struct relation *relation;
    const struct identifier *entity;
};

static bool same_topic(const struct hash_node *node, const void *key_)
{
    const struct hub_topic *topic = list_entry(node, const struct hub_topic, key);
    const struct topic_key *key = key_;
    return topic->relation == key->relation && identifier_equal(&topic->entity, key->entity);
}

static struct hub_topic *make_topic(struct hub *hub, const struct topic_key *key, uint64_t hash)
{
    struct hub_topic *topic = calloc(1, sizeof *topic);
    if (topic == NULL) {
        return NULL;
    }
    topic->relation = key->relation;
    topic->entity = *key->entity;
    list_init(&topic->links);
    hash_table_insert(&hub->topics, &topic->key, hash);
    if (!hub->source.watch(hub->source.source, topic)) {
        hash_table_remove(&hub->topics, &topic->key);
        free(topic);
        return NULL;
    }
    return topic;
}

static struct hub_topic *topic_of(struct hub *hub, const struct relation *relation,
                                  const struct identifier *entity)
{
    struct topic_key key = {relation, entity};
    uint64_t hash = hash_bytes(hub->topics.secret + relation->id, identifier_slice(entity));
    struct hash_node *node = hash_table_find(&hub->topics, hash, same_topic, &key);
    return node != NULL ? list_entry(node, struct hub_topic, key) : make_topic(hub, &key, hash);
}

static void drop_topic(struct hub *hub, struct hub_topic *topic)
{
    hub->source.unwatch(hub->source.source, topic);
    unlink_node(&topic->due);
    hub_text_release(&topic->text);
    hash_table_remove(&hub->topics, &topic->key);
    free(topic);
}

/* The link that was told longest ago, where it does not know what is newest. */
static struct hub_link *first_behind(const struct hub_topic *topic)
{
    struct list_node *node = list_first(&topic->links);
    struct hub_link *link = node == NULL ? NULL : list_entry(node, struct hub_link, node);
    return link != NULL && link->sequence != topic->sequence ? link : NULL;
}

/* Puts the topic where it is found once there is somebody to tell. */
static void schedule(struct hub *hub, struct hub_topic *topic, int64_t now_us)
{
    const struct hub_link *link = first_behind(topic);
    unlink_node(&topic->due);
    if (link == NULL) {
        return;
    }
    if (link->told_us + HUB_EVERY_US <= now_us) {
        list_push_back(&hub->telling, &topic->due);
    } else {
        wheel_add(&hub->due, &topic->due, link->told_us + HUB_EVERY_US);
    }
}

static bool tells_the_same(const struct count *one, const struct count *other)
{
    return one->version == other->version && one->value == other->value &&
           one->stale == other->stale;
}

void hub_learn(struct hub *hub, struct hub_topic *topic, const struct count *count, int64_t now_us)
{
    bool same = topic->sequence > 0 && tells_the_same(&topic->count, count);
    if (same && topic->count.as_of_wall_us == count->as_of_wall_us) {
        return;
    }
    hub_text_release(&topic->text);
    topic->count = *count;
    if (!same) {
        topic->sequence++;
        topic->changed_us = count->stale ? now_us : count->as_of_mono_us;
        schedule(hub, topic, now_us);
    }
}

/* ---- streams ---- */

static bool has_link(const struct hub_stream *stream, const struct hub_topic *topic)
{
    for (size_t i = 0; i < stream->size; i++) {
        if (stream->links[i].topic == topic) {
            return true;
        }
    }
    return false;
}

static void add_link(struct hub *hub, struct hub_stream *stream, struct hub_topic *topic,
                     int64_t now_us)
{
    struct hub_link *link = &stream->links[stream->size++];
    *link = (struct hub_link){.topic = topic, .stream = stream, .told_us = NEVER_TOLD};
    topic->link_count++;
    list_push_front(&topic->links, &link->node);
    schedule(hub, topic, now_us);
}

static void remove_link(struct hub *hub, struct hub_link *link)
{
    list_remove(&link->node);
    if (--link->topic->link_count == 0) {
        drop_topic(hub, link->topic);
    }
}

bool hub_open(struct hub *hub, struct hub_stream *stream, const struct relation *relation,
              const struct identifier *entities, size_t size, int64_t comment_in_us, int64_t now_us)
{
    assert(size > 0 && comment_in_us >= 0 && comment_in_us <= HUB_COMMENT_US);
    stream->size = 0;
    stream->wants_comment = false;
    stream->comment = (struct list_node){NULL, NULL};
    list_init(&stream->ready);
    for (size_t i = 0; i < size; i++) {
        struct hub_topic *topic = topic_of(hub, relation, &entities[i]);
        if (topic == NULL) {
            while (stream->size > 0) {
                remove_link(hub, &stream->links[--stream->size]);
            }
            return false;
        }
        if (!has_link(stream, topic)) {
            add_link(hub, stream, topic, now_us);
        }
    }
    stream->sent_us = now_us - HUB_COMMENT_US + comment_in_us;
    wheel_add(&hub->comments, &stream->comment, stream->sent_us + HUB_COMMENT_US);
    hub->streams++;
    metrics_set(hub->metrics, METRIC_STREAMS, hub->streams);
    return true;
}

void hub_close(struct hub *hub, struct hub_stream *stream)
{
    assert(hub->streams > 0);
    unlink_node(&stream->comment);
    while (stream->size > 0) {
        remove_link(hub, &stream->links[--stream->size]);
    }
    hub->streams--;
    metrics_set(hub->metrics, METRIC_STREAMS, hub->streams);
}

/* ---- telling ---- */

static void note_told(struct hub_link *link, int64_t now_us)
{
    link->sequence = link->topic->sequence;
    link->told_us = now_us;
    list_push_back(&link->topic->links, &link->node);
}

/* Whether the client came back with the version that is still current. */
static bool knows_already(const struct hub_link *link)
{
    const struct count *count = &link->topic->count;
    return link->sequence == 0 && link->stream->known_version == count->version && !count->stale;
}

/* Readies links of a topic for their streams. Answers how many, at most `max`. */
static size_t tell(struct hub *hub, struct hub_topic *topic, size_t max, int64_t now_us)
{
    struct hub_link *link;
    size_t woken = 0;
    while (woken < max && (link = first_behind(topic)) != NULL &&
           link->told_us + HUB_EVERY_US <= now_us) {
        list_remove(&link->node);
        if (knows_already(link)) {
            note_told(link, now_us);
            continue;
        }
        list_push_back(&link->stream->ready, &link->node);
        link->stream->wake(link->stream->owner);
        woken++;
    }
    schedule(hub, topic, now_us);
    return woken;
}

/* Lets streams send a comment that were sent nothing for long. Answers how many, at most `max`. */
static size_t keep_alive(struct hub *hub, size_t max, int64_t now_us)
{
    struct list_node *node;
    size_t woken = 0;
    while (woken < max && (node = wheel_take(&hub->comments, now_us)) != NULL) {
        struct hub_stream *stream = list_entry(node, struct hub_stream, comment);
        if (stream->sent_us + HUB_COMMENT_US <= now_us) {
            stream->wants_comment = true;
            stream->sent_us = now_us; /* as soon as it has room */
            stream->wake(stream->owner);
            woken++;
        }
        wheel_add(&hub->comments, node, stream->sent_us + HUB_COMMENT_US);
    }
    return woken;
}

bool hub_end_iteration(struct hub *hub, int64_t now_us)
{
    struct list_node *node;
    size_t left = HUB_WAKES_PER_ITERATION;
    if (hub->streams == 0) {
        return false;
    }
    while ((node = wheel_take(&hub->due, now_us)) != NULL) {
        schedule(hub, list_entry(node, struct hub_topic, due), now_us);
    }
    while (left > 0 && (node = list_first(&hub->telling)) != NULL) {
        left -= tell(hub, list_entry(node, struct hub_topic, due), left, now_us);
    }
    left -= keep_alive(hub, left, now_us);
    return left == 0;
}

/* A count that has become too old since it was learned says so, whether its source has noticed or
 * the loop stood still meanwhile. */
static void note_age(struct hub *hub, struct hub_topic *topic, int64_t now_us)
{
    if (!topic->count.stale && topic->count.as_of_mono_us < now_us - COUNT_BOUND_US) {
        struct count aged = topic->count;
        aged.stale = true;
        hub_learn(hub, topic, &aged, now_us);
    }
}

static bool make_text(struct hub *hub, struct hub_topic *topic, int64_t now_us)
{
    note_age(hub, topic, now_us);
    if (topic->text == NULL) {
        topic->text = hub->write(topic->relation, &topic->entity, &topic->count);
    }
    return topic->text != NULL;
}

/* In the metrics. What a client is told first did not change for it. */
static void note_sent(const struct hub *hub, const struct hub_link *link, int64_t now_us)
{
    const struct hub_topic *topic = link->topic;
    metrics_add(hub->metrics, METRIC_STREAM_EVENTS, 1);
    if (link->sequence > 0) {
        int64_t lag_us = now_us - topic->changed_us;
        metrics_add(hub->metrics, METRIC_STREAM_SKIPPED, topic->sequence - link->sequence - 1);
        metrics_observe(hub->metrics, HISTOGRAM_STREAM_LAG + (enum histogram)topic->relation->id,
                        lag_us > 0 ? (uint64_t)lag_us : 0);
    }
}

enum hub_message hub_next(struct hub *hub, struct hub_stream *stream, int64_t now_us,
                          struct hub_text **text)
{
    struct list_node *node;
    while ((node = list_pop_front(&stream->ready)) != NULL) {
        struct hub_link *link = list_entry(node, struct hub_link, node);
        if (!make_text(hub, link->topic, now_us)) { /* it is tried again in a second */
            link->told_us = now_us;
            list_push_front(&link->topic->links, &link->node);
            schedule(hub, link->topic, now_us);
            continue;
        }
        *text = link->topic->text;
        (*text)->references++;
        note_sent(hub, link, now_us);
        note_told(link, now_us);
        stream->sent_us = now_us;
        stream->wants_comment = false;
        return HUB_EVENT;
    }
    bool comment = stream->wants_comment;
    stream->wants_comment = false;
    return comment ? HUB_COMMENT : HUB_NOTHING;
}
