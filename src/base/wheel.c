/* A timer wheel. */
#include "rsvpd/base/wheel.h"

#include <stdlib.h>

bool wheel_init(struct wheel *wheel, int64_t tick_us, int64_t horizon_us, int64_t now_us)
{
    assert(tick_us > 0 && horizon_us > 0);
    *wheel = (struct wheel){
        .size = horizon_us / tick_us + 4, .tick_us = tick_us, .ticked = now_us / tick_us};
    wheel->slots = calloc((size_t)wheel->size, sizeof *wheel->slots);
    for (int64_t i = 0; wheel->slots != NULL && i < wheel->size; i++) {
        list_init(&wheel->slots[i]);
    }
    return wheel->slots != NULL;
}

void wheel_free(struct wheel *wheel)
{
    free(wheel->slots);
    wheel->slots = NULL;
}

void wheel_add(struct wheel *wheel, struct list_node *node, int64_t due_us)
{
    /* The tick in which that time has passed for certain; never one that was handled already, and
     * never a whole turn of the wheel ahead. */
    int64_t tick = due_us / wheel->tick_us + 1;
    int64_t last = wheel->ticked + wheel->size - 1;
    tick = tick <= wheel->ticked ? wheel->ticked + 1 : tick > last ? last : tick;
    assert(tick > wheel->ticked && tick < wheel->ticked + wheel->size);
    list_push_back(&wheel->slots[tick % wheel->size], node);
}

struct list_node *wheel_take(struct wheel *wheel, int64_t now_us)
{
    int64_t now_tick = now_us / wheel->tick_us;
    if (now_tick - wheel->ticked > wheel->size) {
        wheel->ticked = now_tick - wheel->size; /* every slot is due, once */
    }
    while (wheel->ticked < now_tick) {
        struct list_node *node = list_pop_front(&wheel->slots[(wheel->ticked + 1) % wheel->size]);
        if (node != NULL) {
            return node;
        }
        wheel->ticked++;
    }
    return NULL;
}
