/* The operations of one worker: pool and deadlines. */
#include "rsvpd/service/operations.h"

#include <assert.h>
#include <stdlib.h>

bool operations_init(struct operations *operations, size_t capacity, int64_t deadline_us,
                     int64_t now_us)
{
    assert(capacity > 0 && deadline_us > 0);
    *operations = (struct operations){
        .capacity = capacity,
        .wheel_size = deadline_us / WHEEL_TICK_US + 4,
        .ticked = now_us / WHEEL_TICK_US,
    };
    list_init(&operations->free);
    operations->slab = calloc(capacity, sizeof *operations->slab);
    operations->wheel = calloc((size_t)operations->wheel_size, sizeof *operations->wheel);
    if (operations->slab == NULL || operations->wheel == NULL) {
        return false;
    }
    for (int64_t i = 0; i < operations->wheel_size; i++) {
        list_init(&operations->wheel[i]);
    }
    return true;
}

void operations_free(struct operations *operations)
{
    free(operations->slab);
    free(operations->wheel);
    operations->slab = NULL;
    operations->wheel = NULL;
}

struct operation *operations_take(struct operations *operations)
{
    struct list_node *node = list_pop_front(&operations->free);
    struct operation *operation;
    if (node != NULL) {
        operation = list_entry(node, struct operation, link);
        assert(operation->state == OPERATION_FREE);
    } else if (operations->slab_used < operations->capacity) {
        operation = &operations->slab[operations->slab_used++];
    } else {
        return NULL;
    }
    *operation = (struct operation){.state = OPERATION_FREE};
    operations->taken++;
    return operation;
}

/* What an operation owns beside itself. */
static void free_owned(struct operation *operation)
{
    if (operation_is_listing(operation)) {
        free(operation_listing(operation)->page);
        operation_listing(operation)->page = NULL;
    } else if (operation_is_settings(operation)) {
        free(operation_settings(operation)->precondition);
        operation_settings(operation)->precondition = NULL;
    }
}

void operations_release(struct operations *operations, struct operation *operation)
{
    assert(operation >= operations->slab && operation < operations->slab + operations->slab_used);
    assert(operation->state != OPERATION_SENT && !list_linked(&operation->link));
    if (list_linked(&operation->by_deadline)) {
        list_remove(&operation->by_deadline);
    }
    free_owned(operation);
    operation->state = OPERATION_FREE;
    assert(operations->taken > 0);
    operations->taken--;
    list_push_front(&operations->free, &operation->link);
}

void operations_watch(struct operations *operations, struct operation *operation)
{
    /* The tick in which the deadline has passed for certain; never one that was handled already,
     * and never a whole iteration of the wheel ahead. */
    assert(!list_linked(&operation->by_deadline));
    int64_t tick = operation->deadline_us / WHEEL_TICK_US + 1;
    int64_t last = operations->ticked + operations->wheel_size - 1;
    tick = tick <= operations->ticked ? operations->ticked + 1 : tick > last ? last : tick;
    assert(tick > operations->ticked && tick < operations->ticked + operations->wheel_size);
    list_push_back(&operations->wheel[tick % operations->wheel_size], &operation->by_deadline);
}

struct operation *operations_expired(struct operations *operations, int64_t now_us)
{
    int64_t now_tick = now_us / WHEEL_TICK_US;
    if (now_tick - operations->ticked > operations->wheel_size) {
        operations->ticked = now_tick - operations->wheel_size; /* every bucket is due, once */
    }
    while (operations->ticked < now_tick) {
        struct list *bucket = &operations->wheel[(operations->ticked + 1) % operations->wheel_size];
        struct list_node *node = list_pop_front(bucket);
        struct operation *operation =
            node == NULL ? NULL : list_entry(node, struct operation, by_deadline);
        if (operation == NULL) {
            operations->ticked++;
        } else if (operation->deadline_us < now_us) {
            return operation;
        } else { /* put in while the wheel stood still: its time has not come */
            operations_watch(operations, operation);
        }
    }
    return NULL;
}
