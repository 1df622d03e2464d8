/* Timers stand in a pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) made of the timers
 * themselves, so that setting one allocates nothing and cannot fail. A timer that moves later, or
 * is stopped, stays where it is: its place is an early reminder to look at it. Most timers are
 * moved or stopped long before they fire.
 *
 * `next` chains the children of a node; `prev` of the first child is its parent, of another its
 * elder sibling, of the root the root itself. */
#include "rt/loop_internal.h"

#include <limits.h>

void rt_timer_init(struct rt_timer *t, struct rt_task *task)
{
    *t = (struct rt_timer){.task = task};
}

bool rt_timer_is_due(const struct rt_loop *l, const struct rt_timer *t)
{
    return t->due_ms && t->due_ms <= l->now_ms;
}

/* Joins two heaps (roots without siblings; NULL is the empty heap) and returns the root. */
static struct rt_timer *meld(struct rt_timer *a, struct rt_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->placed_ms < a->placed_ms) {
        struct rt_timer *t = a;
        a = b;
        b = t;
    }
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* Makes one heap of a chain of siblings: in pairs, then the pairs from the last to the first. */
static struct rt_timer *meld_siblings(struct rt_timer *first)
{
    struct rt_timer *pairs = NULL; /* chained by prev */
    while (first) {
        struct rt_timer *a = first, *b = first->next;
        first = b ? b->next : NULL;
        a->next = NULL;
        if (b)
            b->next = NULL;
        a = meld(a, b);
        a->prev = pairs;
        pairs = a;
    }
    struct rt_timer *root = NULL;
    while (pairs) {
        struct rt_timer *t = pairs;
        pairs = t->prev;
        root = meld(root, t);
    }
    return root;
}

static void set_root(struct rt_loop *l, struct rt_timer *root)
{
    l->timers = root;
    if (root)
        root->prev = root;
}

static void place(struct rt_loop *l, struct rt_timer *t)
{
    t->placed_ms = t->due_ms;
    t->child = t->next = NULL;
    set_root(l, meld(l->timers, t));
}

static void take_out(struct rt_loop *l, struct rt_timer *t)
{
    struct rt_timer *children = meld_siblings(t->child);
    if (t == l->timers) {
        set_root(l, children);
    } else {
        if (t->prev->child == t)
            t->prev->child = t->next;
        else
            t->prev->next = t->next;
        if (t->next)
            t->next->prev = t->prev;
        set_root(l, meld(l->timers, children));
    }
    t->child = t->next = t->prev = NULL;
}

void rt_timer_set(struct rt_loop *l, struct rt_timer *t, uint64_t due_ms)
{
    t->due_ms = due_ms ? due_ms : 1;
    if (t->prev && t->placed_ms <= t->due_ms)
        return;
    if (t->prev)
        take_out(l, t);
    place(l, t);
}

void rt_timer_clear(struct rt_loop *l, struct rt_timer *t)
{
    t->due_ms = 0;
    if (t->prev)
        take_out(l, t);
}

int rt_timers_wait_ms(const struct rt_loop *l)
{
    if (!l->timers)
        return -1;
    uint64_t at = l->timers->placed_ms;
    if (at <= l->now_ms)
        return 0;
    return at - l->now_ms < INT_MAX ? (int)(at - l->now_ms) : INT_MAX;
}

void rt_timers_fire(struct rt_loop *l)
{
    while (l->timers && l->timers->placed_ms <= l->now_ms) {
        struct rt_timer *t = l->timers;
        take_out(l, t);
        if (t->due_ms > t->placed_ms)
            place(l, t); /* was moved later */
        else if (t->due_ms)
            rt_wake(l, t->task);
    }
}
