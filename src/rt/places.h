/* rt/places.h: places at one target, which the loops of a program share, and the queue for them.
 *
 * A place is the right to have one request at the target. One that becomes free is handed to who
 * has waited longest, on whatever loop; nobody overtakes. While nobody waits, taking and giving
 * cost one atomic operation each; the lock is the queue's. Idle connections need no place.
 *
 * Who would wait for longer than wait_ms is told so at once: how long that is, is measured by what
 * became free since the queue began.
 *
 *     if (!rt_place_take(seat, &bounds))
 *         rc = rt_place_wait(seat, &bounds, &waiter);    its task is woken with a place:
 *     … rt_waiter_take(&waiter, seat)
 *     rt_place_give(seat, &bounds);
 *
 * Any thread has its own seats, and what waits at them.
 */
#ifndef RT_PLACES_H
#define RT_PLACES_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/counter.h"
#include "base/str.h"
#include "rt/loop.h"

/* One target. */
struct rt_places {
    pthread_mutex_t lock;
    _Atomic size_t n_busy, n_waiting;
    struct list waiting; /* struct rt_waiter; under the lock, as what follows */
    uint64_t since_ms;   /* when the measure of the queue began */
    uint64_t n_called;   /* places that were handed over since then */
};

/* What one loop has of a target. */
struct rt_seat {
    struct rt_places *places; /* borrowed */
    struct rt_loop *loop;
    struct list called; /* waiters of the loop who have a place and do not know; under the lock */
    bool is_posted;     /* the message that tells them is under way; under the lock */
    struct rt_message message;
};

/* May differ from one time to the next: a reload changes them. */
struct rt_place_bounds {
    size_t places, waiting;
    uint32_t wait_ms; /* 0: nobody is judged */
};

enum rt_waiter_state { RT_WAITS_NOT, RT_WAITS, RT_CALLED };

/* Zero at first. Embedded in who waits. */
struct rt_waiter {
    enum rt_waiter_state state; /* CALLED: has a place that it has not taken */
    struct rt_task *task;
    struct rt_seat *seat;
    const struct rt_place_bounds *bounds; /* borrowed */
    struct counter *counted;              /* its loop's: one more while it waits; or NULL */
    struct list link;                     /* in waiting, or called; under the lock */
    bool has_place;                       /* under the lock */
};

void rt_places_init(struct rt_places *p);
/* Nobody waits, and no place is taken. */
void rt_places_fini(struct rt_places *p);
void rt_seat_init(struct rt_seat *s, struct rt_places *p, struct rt_loop *loop);

/* False when none is free, or others wait. */
bool rt_place_take(struct rt_seat *s, const struct rt_place_bounds *b);
/* One more than there are, if need be. */
void rt_place_take_anyway(struct rt_seat *s);
void rt_place_give(struct rt_seat *s, const struct rt_place_bounds *b);

/* Into the queue: w->task is woken when it has a place. ERR_AGAIN; ERR_LIMIT: the queue is full;
 * ERR_OVERLOADED: it would wait for too long. */
int rt_place_wait(struct rt_seat *s, const struct rt_place_bounds *b, struct rt_waiter *w) MUST_USE;
/* Takes the place that it was called to, if it was; it waits no more. */
bool rt_waiter_take(struct rt_waiter *w);
/* Leaves the queue, or gives the place that it was called to. Harmless when it does not wait. */
void rt_waiter_leave(struct rt_waiter *w);

/* ---- targets by name, which stay as long as the program */

struct rt_targets {
    pthread_mutex_t lock;
    struct list all;
};

void rt_targets_init(struct rt_targets *t);
/* The loops have ended. */
void rt_targets_fini(struct rt_targets *t);
/* The loop's seat at a target, made when it is new. Any thread. NULL: no memory. */
struct rt_seat *rt_targets_seat(struct rt_targets *t, struct str name, struct rt_loop *loop);

#endif
