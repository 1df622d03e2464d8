/* rt/loop.h: one event loop a thread: readiness, run queue, timers, messages from other threads.
 *
 * Nothing re-enters: an event, a timer or a message only stores a result and marks its owner
 * runnable (rt_wake); the loop then runs the owners one after another. What is freed dies in
 * rt_reap at the end of the turn, so that a pointer stays good for the turn it was taken in.
 *
 *     struct rt_loop *l;
 *     rt_loop_create(&l, &d);
 *     rt_wake(l, &conn->task);          conn->task.run(&conn->task) later in this turn
 *     rt_timer_set(l, &conn->timer, rt_now_ms(l) + 500);
 *     rt_loop_run(l);                    until rt_loop_stop, which any thread may call
 *     rt_loop_destroy(&l);
 *
 * Threads: everything but rt_loop_stop and rt_post belongs to the loop's own thread.
 */
#ifndef RT_LOOP_H
#define RT_LOOP_H

#include "base/diag.h"
#include "base/err.h"
#include "base/list.h"

struct rt_loop;

int rt_loop_create(struct rt_loop **out, struct diag *d) MUST_USE;
void rt_loop_destroy(struct rt_loop **l);
/* Turns until rt_loop_stop: wait for events, run messages, timers and the run queue, reap. */
void rt_loop_run(struct rt_loop *l);
/* One turn; waits at most `wait_ms` (-1: without end) when nothing is runnable. For tests and
 * programs with a loop of their own. */
void rt_loop_turn(struct rt_loop *l, int wait_ms);
/* Makes rt_loop_run return after its turn. Any thread, signal handlers too. */
void rt_loop_stop(struct rt_loop *l);
/* Monotonic milliseconds, read once a turn. */
uint64_t rt_now_ms(const struct rt_loop *l);

/* ---- run queue */

/* A place in the run queue, embedded in its owner. `run` is a constant of the owner's type, not its
 * state. */
struct rt_task {
    struct rt_task *next;
    void (*run)(struct rt_task *t);
    bool is_queued;
};

/* Appends the task to the run queue unless it is there. */
void rt_wake(struct rt_loop *l, struct rt_task *t);
/* Takes it out, before its owner dies. */
void rt_cancel(struct rt_loop *l, struct rt_task *t);

/* Objects that wait for the end of the turn. */
struct rt_dead {
    struct rt_dead *next;
    void (*free)(struct rt_dead *d);
};
void rt_reap(struct rt_loop *l, struct rt_dead *dead);

/* ---- timers: moving one later is a store (it is looked at when its old time comes) */

struct rt_timer {
    uint64_t due_ms;      /* when it is to fire; 0: not set */
    uint64_t placed_ms;   /* the loop's: where it stands in the heap */
    uint32_t slot;        /* the loop's: 0 when not in the heap */
    struct rt_task *task; /* woken when due; rt_timer_is_due tells why */
};

void rt_timer_init(struct rt_timer *t, struct rt_task *task);
void rt_timer_set(struct rt_loop *l, struct rt_timer *t, uint64_t due_ms);
/* Also before the owner dies: takes it out of the heap. */
void rt_timer_clear(struct rt_loop *l, struct rt_timer *t);
/* Set and its time has come. */
bool rt_timer_is_due(const struct rt_loop *l, const struct rt_timer *t);

/* ---- messages from other threads */

struct rt_message {
    struct rt_message *next;
    void (*deliver)(struct rt_loop *l, struct rt_message *m); /* on the loop's thread */
};

/* Hands m to the loop's thread; the loop takes it until deliver runs. Any thread. Messages that are
 * posted after the loop ended are delivered by rt_loop_destroy. */
void rt_post(struct rt_loop *l, struct rt_message *m);

/* ---- buffers: fixed size, LIFO, so that the warm one is taken first */

#define RT_BUFFER_BYTES 32768

struct rt_buffer {
    struct rt_buffer *next;
    uint32_t start, end; /* the bytes in use */
    char data[RT_BUFFER_BYTES];
};

/* An empty buffer; NULL when the loop's limit (rt_buffer_limit) or memory is reached. */
struct rt_buffer *rt_buffer_get(struct rt_loop *l);
void rt_buffer_put(struct rt_loop *l, struct rt_buffer **b);
/* Limit on buffers in use at once; the loop keeps a few free ones warm. */
void rt_buffer_limit(struct rt_loop *l, size_t max);
size_t rt_buffers_in_use(const struct rt_loop *l);

#endif
