/* Keeps what the hub's streams watch up to date. */
#include "rsvpd/service/watch.h"

void watch_init(struct watch *watch, struct counts *counts, struct hub *hub, size_t topics_max,
                size_t asked_max, int64_t now_us)
{
    assert(asked_max > 0);
    *watch = (struct watch){
        .counts = counts,
        .hub = hub,
        .topics_max = topics_max,
        .asked_max = asked_max < WATCH_ASKED_MAX ? asked_max : WATCH_ASKED_MAX,
        .round_us = now_us,
        .looked_us = now_us,
    };
    list_init(&watch->topics);
    list_init(&watch->to_ask);
}

/* Hands on what is known. Where an answer is awaited a count past its bound may still be renewed.
 */
static void hand_on(const struct watch *watch, struct hub_topic *topic, bool even_stale,
                    int64_t now_us)
{
    struct count count;
    if (counts_peek(watch->counts, topic->relation, topic->watch, now_us, &count) &&
        (even_stale || !count.stale)) {
        hub_learn(watch->hub, topic, &count, now_us);
    }
}

static void answered(struct watch *watch, struct hub_topic *topic)
{
    if (topic->asked) {
        topic->asked = false;
        watch->asked--;
    }
}

void watch_noticed(void *watch_, struct count_entry *entry, int64_t now_us)
{
    struct watch *watch = watch_;
    struct hub_topic *topic = entry->watcher;
    bool settled = entry->load == COUNT_LOAD_NONE;
    if (settled) {
        answered(watch, topic);
    }
    hand_on(watch, topic, settled, now_us);
}

static void ask(struct watch *watch, struct hub_topic *topic, int64_t now_us)
{
    struct count_entry *entry = topic->watch;
    if (!topic->asked) {
        topic->asked = true;
        watch->asked++;
    }
    counts_refresh(watch->counts, topic->relation, entry, now_us - WATCH_RECENT_US, now_us);
}

/* It is asked for at the end of the iteration. */
static bool begin(void *watch_, struct hub_topic *topic)
{
    struct watch *watch = watch_;
    struct count_entry *entry =
        watch->count < watch->topics_max
            ? counts_watch(watch->counts, topic->relation, &topic->entity, topic)
            : NULL;
    if (entry == NULL) {
        return false;
    }
    watch->count++;
    topic->watch = entry;
    list_push_front(&watch->to_ask, &topic->watched);
    return true;
}

static void end(void *watch_, struct hub_topic *topic)
{
    struct watch *watch = watch_;
    struct count_entry *entry = topic->watch;
    answered(watch, topic);
    list_remove(&topic->watched);
    entry->watcher = NULL;
    watch->count--;
}

struct hub_source watch_source(struct watch *watch)
{
    return (struct hub_source){.source = watch, .watch = begin, .unwatch = end};
}

/* Other workers tell nobody of what they learn: it is found here. */
static void look(struct watch *watch, int64_t now_us)
{
    int64_t passed_us = now_us - watch->looked_us;
    size_t share = passed_us >= WATCH_LOOK_US
                       ? watch->count
                       : (size_t)((int64_t)watch->count * passed_us / WATCH_LOOK_US);
    struct list_node *node;
    if (share == 0) {
        return;
    }
    watch->looked_us = now_us;
    while (share-- > 0 && (node = list_pop_front(&watch->topics)) != NULL) {
        hand_on(watch, list_entry(node, struct hub_topic, watched), false, now_us);
        list_push_back(&watch->topics, node);
    }
}

void watch_end_iteration(struct watch *watch, int64_t now_us)
{
    struct list_node *node;
    if (watch->count == 0) {
        return;
    }
    look(watch, now_us);
    if (list_empty(&watch->to_ask) && now_us >= watch->round_us) {
        watch->round_us = now_us + WATCH_EVERY_US;
        list_splice_back(&watch->to_ask, &watch->topics);
    }
    if (watch->asked > 0) { /* one command at a time */
        return;
    }
    while (watch->asked < watch->asked_max && (node = list_pop_front(&watch->to_ask)) != NULL) {
        list_push_back(&watch->topics, node);
        ask(watch, list_entry(node, struct hub_topic, watched), now_us);
    }
}
