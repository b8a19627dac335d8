/* The operations of one worker: pool and deadlines. */
#include "rsvpd/service/operations.h"

#include <assert.h>
#include <stdlib.h>

bool operations_init(struct operations *operations, size_t capacity, int64_t deadline_us,
                     int64_t now_us)
{
    assert(capacity > 0 && deadline_us > 0);
    *operations = (struct operations){.capacity = capacity};
    list_init(&operations->free);
    operations->slab = calloc(capacity, sizeof *operations->slab);
    return wheel_init(&operations->deadlines, WHEEL_TICK_US, deadline_us, now_us) &&
           operations->slab != NULL;
}

void operations_free(struct operations *operations)
{
    free(operations->slab);
    wheel_free(&operations->deadlines);
    operations->slab = NULL;
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
    wheel_add(&operations->deadlines, &operation->by_deadline, operation->deadline_us);
}

struct operation *operations_expired(struct operations *operations, int64_t now_us)
{
    struct list_node *node;
    while ((node = wheel_take(&operations->deadlines, now_us)) != NULL) {
        struct operation *operation = list_entry(node, struct operation, by_deadline);
        if (operation->deadline_us < now_us) {
            return operation;
        }
        operations_watch(operations, operation); /* its time has not come */
    }
    return NULL;
}
