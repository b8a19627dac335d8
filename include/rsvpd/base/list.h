/* Doubly linked list whose nodes live inside its elements: O(1) everywhere, no allocation. */
#ifndef RSVPD_BASE_LIST_H
#define RSVPD_BASE_LIST_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next, *prev; /* both NULL while in no list */
};

struct list {
    struct list_node head; /* head.next is the first element, head.prev the last */
};

/* The element of type `type` whose member `member` is at `node`. */
#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void list_init(struct list *list)
{
    list->head.next = list->head.prev = &list->head;
}

static inline bool list_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

/* The first node, NULL where there is none. */
static inline struct list_node *list_first(const struct list *list)
{
    return list_empty(list) ? NULL : list->head.next;
}

static inline bool list_linked(const struct list_node *node)
{
    return node->next != NULL;
}

/* Moves all of `from` to the end of `to`, in order. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (from->head.next != &from->head) {
        from->head.next->prev = to->head.prev;
        from->head.prev->next = &to->head;
        to->head.prev->next = from->head.next;
        to->head.prev = from->head.prev;
        from->head.next = from->head.prev = &from->head;
    }
}

/* `node` must be in no list, here and below. */
static inline void list_insert_after(struct list_node *node, struct list_node *where)
{
    assert(node->next == NULL && node->prev == NULL);
    node->prev = where;
    node->next = where->next;
    where->next->prev = node;
    where->next = node;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_after(node, list->head.prev);
}

static inline void list_push_front(struct list *list, struct list_node *node)
{
    list_insert_after(node, &list->head);
}

/* `node` must be in a list. */
static inline void list_remove(struct list_node *node)
{
    assert(node->prev != NULL && node->next != NULL);
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

/* Takes the first node out and returns it, NULL where there is none. */
static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_first(list);
    if (node != NULL) {
        list->head.next = node->next;
        node->next->prev = &list->head;
        node->next = node->prev = NULL;
    }
    return node;
}

#endif
