/* Virtual time: a binary heap of events. */
#include "timeline.h"

#include <assert.h>
#include <stdlib.h>

void timeline_init(struct timeline *timeline, int64_t now_us)
{
    *timeline = (struct timeline){.now_us = now_us};
}

void timeline_free(struct timeline *timeline)
{
    free(timeline->heap);
}

static bool is_before(const struct timeline_event *a, const struct timeline_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void timeline_add(struct timeline *timeline, int64_t at_us, timeline_fn *run, void *subject,
                  uint64_t number)
{
    if (timeline->size == timeline->capacity) {
        timeline->capacity = timeline->capacity == 0 ? 256 : timeline->capacity * 2;
        timeline->heap = realloc(timeline->heap, timeline->capacity * sizeof *timeline->heap);
        assert(timeline->heap != NULL);
    }
    struct timeline_event event = {at_us < timeline->now_us ? timeline->now_us : at_us,
                                   timeline->ordered++, run, subject, number};
    size_t at = timeline->size++;
    for (; at > 0 && is_before(&event, &timeline->heap[(at - 1) / 2]); at = (at - 1) / 2) {
        timeline->heap[at] = timeline->heap[(at - 1) / 2];
    }
    timeline->heap[at] = event;
}

bool timeline_step(struct timeline *timeline, struct world *world)
{
    if (timeline->size == 0) {
        return false;
    }
    struct timeline_event first = timeline->heap[0];
    struct timeline_event last = timeline->heap[--timeline->size];
    size_t at = 0;
    for (size_t child = 1; child < timeline->size; child = 2 * at + 1) {
        if (child + 1 < timeline->size &&
            is_before(&timeline->heap[child + 1], &timeline->heap[child])) {
            child++;
        }
        if (!is_before(&timeline->heap[child], &last)) {
            break;
        }
        timeline->heap[at] = timeline->heap[child];
        at = child;
    }
    timeline->heap[at] = last;
    timeline->now_us = first.at_us;
    first.run(world, first.subject, first.number);
    return true;
}
