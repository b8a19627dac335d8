/* Virtual time: what happens next, and when. Nothing passes but by its steps. */
#ifndef RSVPD_SIM_TIMELINE_H
#define RSVPD_SIM_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct world;

typedef void timeline_fn(struct world *world, void *subject, uint64_t number);

struct timeline {
    int64_t now_us;   /* Unix epoch */
    uint64_t ordered; /* events that were ever added: those of one moment come in this order */
    struct timeline_event {
        int64_t at_us;
        uint64_t order;
        timeline_fn *run;
        void *subject;
        uint64_t number;
    } * heap;
    size_t size, capacity;
};

void timeline_init(struct timeline *timeline, int64_t now_us);
void timeline_free(struct timeline *timeline);

/* `run` is called with `subject` and `number` at that moment, or next where it has passed. */
void timeline_add(struct timeline *timeline, int64_t at_us, timeline_fn *run, void *subject,
                  uint64_t number);

/* Moves on to the next event and lets it happen; false where there is none. */
bool timeline_step(struct timeline *timeline, struct world *world);

#endif
