/* rt/loop_internal.h: what a loop consists of, shared by loop.c, timer.c and buffer.c. */
#ifndef RT_LOOP_INTERNAL_H
#define RT_LOOP_INTERNAL_H

#include "rt/loop.h"

#include <stdatomic.h>
#include <sys/epoll.h>

#define RT_TURN_EVENTS 256

struct rt_loop {
    int epoll_fd;
    int wake_fd; /* eventfd; watched edge-triggered, so that it need never be read */
    struct rt_source wake_source;
    uint64_t now_ms;

    struct rt_task queue;    /* head of the ring of runnable tasks */
    struct rt_timer *timers; /* the root of the heap: the least placed_ms; NULL: empty */
    struct rt_dead *dead;

    struct rt_buffer *free_buffers;
    size_t n_free_buffers, n_buffers, max_buffers;

    _Atomic(struct rt_message *) messages; /* a stack: the newest first */
    atomic_bool is_stopping;

    struct epoll_event events[RT_TURN_EVENTS];
};

/* Milliseconds until the loop has to look at its timers: -1 when there are none. */
int rt_timers_wait_ms(const struct rt_loop *l);
/* Wakes the tasks of the timers that are due. */
void rt_timers_fire(struct rt_loop *l);
/* Frees the warm buffers. */
void rt_buffers_fini(struct rt_loop *l);

#endif
