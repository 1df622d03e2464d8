#include "rt/loop_internal.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ms(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The event itself is enough: the turn looks for messages and the stop anyway. */
static void on_woken(struct rt_source *s, uint32_t events)
{
}

int rt_loop_create(struct rt_loop **out, struct diag *d)
{
    struct rt_loop *l = calloc(1, sizeof *l);
    if (!l)
        return diag_set(d, ERR_NO_MEMORY, "no memory for an event loop");
    l->queue.next = l->queue.prev = &l->queue;
    l->max_buffers = SIZE_MAX;
    l->wake_source.on_event = on_woken;
    l->now_ms = clock_ms();
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->epoll_fd < 0 || l->wake_fd < 0 ||
        rt_watch(l, l->wake_fd, EPOLLIN, &l->wake_source) < 0) {
        int rc = diag_set(d, ERR_SYSTEM, "no descriptors for an event loop: %s", strerror(errno));
        rt_loop_destroy(&l);
        return rc;
    }
    *out = l;
    return 0;
}

/* ---- messages */

static void deliver_messages(struct rt_loop *l)
{
    if (!atomic_load_explicit(&l->messages, memory_order_relaxed))
        return;
    struct rt_message *newest = atomic_exchange_explicit(&l->messages, NULL, memory_order_acquire);
    struct rt_message *oldest = NULL;
    while (newest) {
        struct rt_message *m = newest;
        newest = m->next;
        m->next = oldest;
        oldest = m;
    }
    while (oldest) {
        struct rt_message *m = oldest;
        oldest = m->next;
        m->deliver(l, m);
    }
}

/* Safe in signal handlers. The counter of the eventfd cannot overflow in a machine's life, so a
 * failure would be a descriptor that is none. */
static void wake_loop(struct rt_loop *l)
{
    int saved = errno;
    uint64_t one = 1;
    CHECK(write(l->wake_fd, &one, sizeof one) == (ssize_t)sizeof one);
    errno = saved;
}

void rt_post(struct rt_loop *l, struct rt_message *m)
{
    struct rt_message *head = atomic_load_explicit(&l->messages, memory_order_relaxed);
    do {
        m->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&l->messages, &head, m, memory_order_release,
                                                    memory_order_relaxed));
    /* Whoever found the stack empty wakes the loop for all that come until it looks. */
    if (!head)
        wake_loop(l);
}

void rt_loop_stop(struct rt_loop *l)
{
    atomic_store_explicit(&l->is_stopping, true, memory_order_release);
    wake_loop(l);
}

/* ---- run queue and reaper */

void rt_wake(struct rt_loop *l, struct rt_task *t)
{
    if (t->is_queued)
        return;
    t->is_queued = true;
    t->next = &l->queue;
    t->prev = l->queue.prev;
    l->queue.prev->next = t;
    l->queue.prev = t;
}

void rt_cancel(struct rt_loop *l, struct rt_task *t)
{
    if (!t->is_queued)
        return;
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->is_queued = false;
}

void rt_reap(struct rt_loop *l, struct rt_dead *dead)
{
    dead->next = l->dead;
    l->dead = dead;
}

static void run_tasks(struct rt_loop *l)
{
    for (int left = RT_TURN_RUNS; left > 0 && l->queue.next != &l->queue; left--) {
        struct rt_task *t = l->queue.next;
        rt_cancel(l, t);
        t->run(t);
    }
}

/* What is freed may free what it holds through the reaper too. */
static void reap(struct rt_loop *l)
{
    while (l->dead) {
        struct rt_dead *dead = l->dead;
        l->dead = dead->next;
        dead->free(dead);
    }
}

/* ---- turns */

uint64_t rt_now_ms(const struct rt_loop *l)
{
    return l->now_ms;
}

int rt_watch(struct rt_loop *l, int fd, uint32_t events, struct rt_source *s)
{
    struct epoll_event e = {.events = events | EPOLLET, .data.ptr = s};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0)
        return 0;
    return errno == ENOMEM || errno == ENOSPC ? ERR_NO_MEMORY : ERR_SYSTEM;
}

void rt_unwatch(struct rt_loop *l, int fd)
{
    CHECK(epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL) == 0);
}

static bool is_stopping(struct rt_loop *l)
{
    return atomic_load_explicit(&l->is_stopping, memory_order_acquire);
}

/* Messages need no look here: whoever posts one writes to the eventfd after it. */
static int wait_time(const struct rt_loop *l, int wait_ms)
{
    if (l->queue.next != &l->queue || l->dead)
        return 0;
    int timers_ms = rt_timers_wait_ms(l);
    if (wait_ms < 0 || (timers_ms >= 0 && timers_ms < wait_ms))
        return timers_ms;
    return wait_ms;
}

void rt_loop_turn(struct rt_loop *l, int wait_ms)
{
    int n = epoll_wait(l->epoll_fd, l->events, RT_TURN_EVENTS, wait_time(l, wait_ms));
    CHECK(n >= 0 || errno == EINTR);
    l->now_ms = clock_ms();
    /* All events are noted before any owner runs: none can be for a descriptor that was closed. */
    for (int i = 0; i < n; i++) {
        struct rt_source *s = l->events[i].data.ptr;
        s->on_event(s, l->events[i].events);
    }
    deliver_messages(l);
    rt_timers_fire(l);
    run_tasks(l);
    reap(l);
}

void rt_loop_run(struct rt_loop *l)
{
    while (!is_stopping(l))
        rt_loop_turn(l, -1);
    atomic_store_explicit(&l->is_stopping, false, memory_order_relaxed);
}

void rt_loop_destroy(struct rt_loop **out)
{
    struct rt_loop *l = *out;
    *out = NULL;
    if (!l)
        return;
    deliver_messages(l);
    reap(l);
    rt_buffers_fini(l);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    free(l);
}
