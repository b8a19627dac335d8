/* Changes on their way to a target. */
#include "rsvpd/domain/feed.h"
#include "rsvpd/base/json_writer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHANGE_ID_SIZE_BYTES = FEED_LSN_SIZE_BYTES + 24 };

void feed_write_lsn(uint64_t lsn, char text[FEED_LSN_SIZE_BYTES])
{
    snprintf(text, FEED_LSN_SIZE_BYTES, "%X/%X", (unsigned)(lsn >> 32), (unsigned)lsn);
}

bool feed_init(struct feed *feed, size_t batch_max, unsigned types)
{
    assert(batch_max > 0);
    *feed = (struct feed){.batch_max = batch_max, .types = types};
    for (size_t i = 0; i < 2; i++) {
        size_t size = batch_max * FEED_LINE_SIZE_MAX_BYTES;
        feed->batches[i].lines = text_over(malloc(size), size);
        if (feed->batches[i].lines.data == NULL) {
            feed_free(feed);
            return false;
        }
    }
    return true;
}

void feed_free(struct feed *feed)
{
    for (size_t i = 0; i < 2; i++) {
        free(feed->batches[i].lines.data);
        feed->batches[i].lines = text_over(NULL, 0);
    }
}

static struct feed_batch *gathering(struct feed *feed)
{
    return &feed->batches[feed->gathering];
}

static struct feed_batch *sent(struct feed *feed)
{
    return &feed->batches[1 - feed->gathering];
}

static void empty(struct feed_batch *batch)
{
    *batch = (struct feed_batch){.lines = text_over(batch->lines.data, batch->lines.capacity)};
}

bool feed_has_room(const struct feed *feed)
{
    return feed->batches[feed->gathering].count < feed->batch_max;
}

static void write_change(struct text *out, uint64_t commit_lsn, int64_t committed_us,
                         const struct change *change)
{
    const struct change_type_words *words = &change_types[change->type];
    char lsn[FEED_LSN_SIZE_BYTES], id[CHANGE_ID_SIZE_BYTES];
    feed_write_lsn(commit_lsn, lsn);
    snprintf(id, sizeof id, "%s/%llu", lsn, (unsigned long long)change->number);
    struct json_writer json = json_writer_over(out);
    json_write_object_begin(&json, NULL);
    json_write_string(&json, "id", slice_of(id));
    json_write_string(&json, "type", slice_of(words->name));
    json_write_string(&json, words->id_member, change->entity);
    if (words->has_user) {
        json_write_string(&json, "user_id", change->user);
    }
    json_write_time(&json, "committed_at", committed_us);
    json_write_object_end(&json);
    bool complete = json_writer_complete(&json);
    text_add_cstr(out, "\n");
    assert(complete && !out->truncated); /* FEED_LINE_SIZE_MAX_BYTES is enough for any */
}

void feed_add(struct feed *feed, uint64_t commit_lsn, int64_t committed_us,
              const struct change *change)
{
    struct feed_batch *batch = gathering(feed);
    assert(feed_has_room(feed));
    if ((feed->types & 1u << change->type) == 0) {
        return;
    }
    write_change(&batch->lines, commit_lsn, committed_us, change);
    batch->since_us = batch->count == 0 ? committed_us : batch->since_us;
    batch->counts[change->type]++;
    batch->count++;
}

void feed_reach(struct feed *feed, uint64_t lsn)
{
    uint64_t *through = gathering(feed)->count > 0 ? &gathering(feed)->through_lsn
                        : feed->is_sent            ? &sent(feed)->through_lsn
                                                   : &feed->confirmed_lsn;
    *through = lsn > *through ? lsn : *through;
}

const struct feed_batch *feed_send(struct feed *feed)
{
    if (feed->is_sent || gathering(feed)->count == 0) {
        return NULL;
    }
    feed->gathering = 1 - feed->gathering;
    feed->is_sent = true;
    return sent(feed);
}

void feed_confirm(struct feed *feed)
{
    struct feed_batch *batch = sent(feed);
    assert(feed->is_sent);
    if (batch->through_lsn > feed->confirmed_lsn) {
        feed->confirmed_lsn = batch->through_lsn;
    }
    empty(batch);
    feed->is_sent = false;
}

void feed_drop_gathered(struct feed *feed)
{
    empty(gathering(feed));
}

void feed_forget_places(struct feed *feed)
{
    for (size_t i = 0; i < 2; i++) {
        feed->batches[i].through_lsn = 0;
    }
    feed->confirmed_lsn = 0;
}

int64_t feed_waiting_since_us(const struct feed *feed)
{
    const struct feed_batch *batch = &feed->batches[1 - feed->gathering];
    return feed->is_sent ? batch->since_us : feed->batches[feed->gathering].since_us;
}
