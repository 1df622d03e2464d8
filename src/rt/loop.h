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
 *     rt_loop_run(l);                       until rt_loop_stop, which any thread may call
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

/* ERR_SYSTEM, ERR_NO_MEMORY. */
int rt_loop_create(struct rt_loop **out, struct diag *d) MUST_USE;
/* Its streams, listeners and timers are closed before. */
void rt_loop_destroy(struct rt_loop **l);
/* Turns until rt_loop_stop. A stop that came before is not lost. */
void rt_loop_run(struct rt_loop *l);
/* One turn: waits for events, at most `wait_ms` (-1: without end) and not at all when something is
 * runnable; then messages, timers, the run queue, the reaper. For tests and programs with a loop of
 * their own. */
void rt_loop_turn(struct rt_loop *l, int wait_ms);
/* Makes rt_loop_run return after its turn. Any thread, signal handlers too. */
void rt_loop_stop(struct rt_loop *l);
/* Monotonic milliseconds, read once a turn. */
uint64_t rt_now_ms(const struct rt_loop *l);

/* ---- run queue: first in, first out; at most RT_TURN_RUNS of a turn, so that tasks that wake each
 * other without end do not keep events and timers out */

#define RT_TURN_RUNS 1024

/* A place in the run queue, embedded in its owner and zero at first. `run` is a constant of the
 * owner's type, not its state. */
struct rt_task {
    struct rt_task *next, *prev; /* the loop's */
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

/* ---- timers: stopping one or moving it later is a store (it is looked at when its old time
 * comes); setting one cannot fail, since the heap is made of the timers themselves */

struct rt_timer {
    uint64_t due_ms;    /* when it is to fire; 0: not set */
    uint64_t placed_ms; /* the loop's: where it stands in the heap, at most due_ms if set */
    struct rt_timer *child, *next, *prev; /* the loop's: of the heap; prev NULL: not in it */
    struct rt_task *task;                 /* woken when due; rt_timer_is_due tells why */
};

void rt_timer_init(struct rt_timer *t, struct rt_task *task);
/* Sets or moves it. A time that has passed fires in the next turn. */
void rt_timer_set(struct rt_loop *l, struct rt_timer *t, uint64_t due_ms);
/* It is not set any more. It stays where it is, so that setting it again costs nothing: for what is
 * set and stopped by every request. */
static inline void rt_timer_stop(struct rt_timer *t)
{
    t->due_ms = 0;
}
/* The same before the owner dies: takes it out of the heap. */
void rt_timer_clear(struct rt_loop *l, struct rt_timer *t);
/* Set and its time has come. It stays so until the timer is set anew, stopped or cleared. */
bool rt_timer_is_due(const struct rt_loop *l, const struct rt_timer *t);

/* ---- descriptors: what streams and listeners are made of */

/* What the loop tells of a descriptor, embedded in its owner. on_event gets the bits of epoll(7);
 * it only stores them and wakes a task. */
struct rt_source {
    void (*on_event)(struct rt_source *s, uint32_t events);
};

/* Registers fd once for `events` (bits of epoll(7), edge-triggered). ERR_SYSTEM, ERR_NO_MEMORY. */
int rt_watch(struct rt_loop *l, int fd, uint32_t events, struct rt_source *s) MUST_USE;
/* For a descriptor that others may hold too; closing the last one does the same. */
void rt_unwatch(struct rt_loop *l, int fd);

/* ---- messages from other threads */

struct rt_message {
    struct rt_message *next;
    void (*deliver)(struct rt_loop *l, struct rt_message *m); /* on the loop's thread */
};

/* Hands m to the loop's thread; the loop takes it until deliver runs. Any thread; messages of one
 * thread are delivered in its order. What is posted after rt_loop_run has returned is delivered by
 * rt_loop_destroy; nobody posts from then on. */
void rt_post(struct rt_loop *l, struct rt_message *m);

/* ---- buffers: fixed size, LIFO, so that the warm one is taken first */

#define RT_BUFFER_BYTES 32768

struct rt_buffer {
    struct rt_buffer *next;
    uint32_t start, end; /* the bytes in use */
    char data[RT_BUFFER_BYTES];
};

/* An empty buffer; NULL when the loop's limit (rt_buffer_limit) or memory is reached. Its data is
 * not cleared. */
struct rt_buffer *rt_buffer_get(struct rt_loop *l);
void rt_buffer_put(struct rt_loop *l, struct rt_buffer **b);
/* Limit on buffers in use at once (none at first); the loop keeps RT_BUFFERS_WARM free ones. */
#define RT_BUFFERS_WARM 64
void rt_buffer_limit(struct rt_loop *l, size_t max);
size_t rt_buffers_in_use(const struct rt_loop *l);

#endif
