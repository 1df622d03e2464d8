/* base/counter.h: a number that one thread changes, or several do, and others read at any time.
 *
 * One atomic word without order: a reader sees some recent value, and needs no two of them to
 * agree. For the counts and gauges that /metrics shows.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct counter {
    _Atomic uint64_t n;
};

static inline uint64_t counter_get(const struct counter *c)
{
    return atomic_load_explicit(&c->n, memory_order_relaxed);
}

/* By its one writer only: no locked instruction. */
static inline void counter_add(struct counter *c, uint64_t n)
{
    atomic_store_explicit(&c->n, counter_get(c) + n, memory_order_relaxed);
}

static inline void counter_sub(struct counter *c, uint64_t n)
{
    atomic_store_explicit(&c->n, counter_get(c) - n, memory_order_relaxed);
}

/* By any thread, on a counter that is changed by these two only: one more, unless `limit` are
 * taken; and one less. */
static inline bool counter_take(struct counter *c, uint64_t limit)
{
    if (atomic_fetch_add_explicit(&c->n, 1, memory_order_relaxed) < limit)
        return true;
    atomic_fetch_sub_explicit(&c->n, 1, memory_order_relaxed);
    return false;
}

static inline void counter_give(struct counter *c)
{
    atomic_fetch_sub_explicit(&c->n, 1, memory_order_relaxed);
}

#endif
