/* base/list.h: intrusive doubly linked list; membership says the state of an object.
 *
 * A struct list is the head or a member. A member that is in no list points to itself (list_init),
 * so that list_remove may be called on it.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include "base/check.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
    l->next = l->prev = l;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->next == l;
}

/* At the end of the list. */
static inline void list_push(struct list *head, struct list *member)
{
    member->prev = head->prev;
    member->next = head;
    head->prev->next = member;
    head->prev = member;
}

/* At the front: the warmest first. */
static inline void list_push_front(struct list *head, struct list *member)
{
    list_push(head->next, member);
}

static inline void list_remove(struct list *member)
{
    member->prev->next = member->next;
    member->next->prev = member->prev;
    list_init(member);
}

#define LIST_ITEM(member_ptr, type, member) CONTAINER_OF(member_ptr, type, member)

/* `it` is a struct list *; the body must not remove it. */
#define list_for_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
/* The body may remove `it`. */
#define list_for_each_safe(it, head)                                                               \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                      \
         it = it##_next, it##_next = it->next)

#endif
