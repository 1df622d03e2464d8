#include "rt/places.h"

#include <stdlib.h>
#include <string.h>

static void lock(pthread_mutex_t *m)
{
    CHECK(pthread_mutex_lock(m) == 0);
}

static void unlock(pthread_mutex_t *m)
{
    CHECK(pthread_mutex_unlock(m) == 0);
}

void rt_places_init(struct rt_places *p)
{
    *p = (struct rt_places){0};
    CHECK(pthread_mutex_init(&p->lock, NULL) == 0);
    list_init(&p->waiting);
}

void rt_places_fini(struct rt_places *p)
{
    CHECK(list_is_empty(&p->waiting));
    pthread_mutex_destroy(&p->lock);
}

/* Who gives counts itself out and then looks for who waits; who waits counts itself in and then
 * looks for a place: in one order for all threads (seq_cst), so that one of the two sees the other.
 */
static bool take(struct rt_places *p, size_t max)
{
    size_t n = atomic_load(&p->n_busy);
    while (n < max)
        if (atomic_compare_exchange_weak(&p->n_busy, &n, n + 1))
            return true;
    return false;
}

/* On its own loop, under the lock. */
static void tell(struct rt_waiter *w)
{
    w->state = RT_CALLED;
    if (w->counted)
        counter_sub(w->counted, 1);
    rt_wake(w->seat->loop, w->task);
}

static void deliver(struct rt_loop *l, struct rt_message *m)
{
    struct rt_seat *s = CONTAINER_OF(m, struct rt_seat, message);
    (void)l;
    lock(&s->places->lock);
    s->is_posted = false;
    while (!list_is_empty(&s->called)) {
        struct rt_waiter *w = LIST_ITEM(s->called.next, struct rt_waiter, link);
        list_remove(&w->link);
        tell(w);
    }
    unlock(&s->places->lock);
}

void rt_seat_init(struct rt_seat *s, struct rt_places *p, struct rt_loop *loop)
{
    *s = (struct rt_seat){.places = p, .loop = loop, .message.deliver = deliver};
    list_init(&s->called);
}

/* Hands out what is free. Under the lock, which also keeps a loop that is told from ending: its
 * waiter is still there. */
static void call_waiting(struct rt_seat *own, size_t max)
{
    struct rt_places *p = own->places;
    while (!list_is_empty(&p->waiting) && take(p, max)) {
        struct rt_waiter *w = LIST_ITEM(p->waiting.next, struct rt_waiter, link);
        list_remove(&w->link);
        atomic_fetch_sub(&p->n_waiting, 1);
        p->n_called++;
        w->has_place = true;
        if (w->seat == own) {
            tell(w);
            continue;
        }
        list_push(&w->seat->called, &w->link);
        if (!w->seat->is_posted)
            rt_post(w->seat->loop, &w->seat->message);
        w->seat->is_posted = true;
    }
}

bool rt_place_take(struct rt_seat *s, const struct rt_place_bounds *b)
{
    return atomic_load(&s->places->n_waiting) == 0 && take(s->places, b->places);
}

void rt_place_take_anyway(struct rt_seat *s)
{
    atomic_fetch_add(&s->places->n_busy, 1);
}

void rt_place_give(struct rt_seat *s, const struct rt_place_bounds *b)
{
    atomic_fetch_sub(&s->places->n_busy, 1);
    if (atomic_load(&s->places->n_waiting) == 0)
        return;
    lock(&s->places->lock);
    call_waiting(s, b->places);
    unlock(&s->places->lock);
}

/* Whether one more may wait. Under the lock. */
static int judge(struct rt_places *p, const struct rt_place_bounds *b, uint64_t now_ms)
{
    size_t n = atomic_load(&p->n_waiting);
    if (n >= b->waiting)
        return ERR_LIMIT;
    if (n == 0) {
        p->since_ms = now_ms;
        p->n_called = 0;
    }
    /* Loops read the clock at times of their own. */
    uint64_t ms = now_ms > p->since_ms ? now_ms - p->since_ms : 0;
    if (ms < b->wait_ms / 2 || !b->wait_ms)
        return 0; /* too short a time to tell */
    bool is_long = p->n_called ? (n + 1) * ms / p->n_called > b->wait_ms : ms >= b->wait_ms;
    if (ms >= 2ull * b->wait_ms) { /* what was long ago says little */
        p->since_ms += ms / 2;
        p->n_called /= 2;
    }
    return is_long ? ERR_OVERLOADED : 0;
}

int rt_place_wait(struct rt_seat *s, const struct rt_place_bounds *b, struct rt_waiter *w)
{
    struct rt_places *p = s->places;
    lock(&p->lock);
    int rc = judge(p, b, rt_now_ms(s->loop));
    if (rc == 0) {
        w->state = RT_WAITS;
        w->seat = s;
        w->bounds = b;
        w->has_place = false;
        if (w->counted)
            counter_add(w->counted, 1);
        list_push(&p->waiting, &w->link);
        atomic_fetch_add(&p->n_waiting, 1);
        rc = ERR_AGAIN;
    }
    call_waiting(s, b->places);
    unlock(&p->lock);
    return rc;
}

bool rt_waiter_take(struct rt_waiter *w)
{
    if (w->state != RT_CALLED)
        return false;
    w->state = RT_WAITS_NOT;
    return true;
}

void rt_waiter_leave(struct rt_waiter *w)
{
    bool has_place = w->state == RT_CALLED;
    if (w->state == RT_WAITS) {
        struct rt_places *p = w->seat->places;
        lock(&p->lock);
        list_remove(&w->link);
        has_place = w->has_place;
        if (!has_place)
            atomic_fetch_sub(&p->n_waiting, 1);
        unlock(&p->lock);
        if (w->counted)
            counter_sub(w->counted, 1);
    }
    w->state = RT_WAITS_NOT;
    if (has_place)
        rt_place_give(w->seat, w->bounds);
}

/* ---- targets */

struct target {
    struct list link;
    struct rt_places places;
    struct list seats; /* struct target_seat */
    size_t n;
    char name[];
};

struct target_seat {
    struct list link;
    struct rt_seat seat;
};

void rt_targets_init(struct rt_targets *t)
{
    CHECK(pthread_mutex_init(&t->lock, NULL) == 0);
    list_init(&t->all);
}

void rt_targets_fini(struct rt_targets *t)
{
    list_for_each_safe (it, &t->all) {
        struct target *one = LIST_ITEM(it, struct target, link);
        list_for_each_safe (at, &one->seats) {
            free(LIST_ITEM(at, struct target_seat, link));
        }
        rt_places_fini(&one->places);
        free(one);
    }
    list_init(&t->all);
    pthread_mutex_destroy(&t->lock);
}

static struct target *find_or_make(struct rt_targets *t, struct str name)
{
    list_for_each (it, &t->all) {
        struct target *one = LIST_ITEM(it, struct target, link);
        if (str_eq(name, (struct str){one->name, one->n}))
            return one;
    }
    struct target *one = malloc(sizeof *one + name.n);
    if (!one)
        return NULL;
    rt_places_init(&one->places);
    list_init(&one->seats);
    one->n = name.n;
    memcpy(one->name, name.p, name.n);
    list_push(&t->all, &one->link);
    return one;
}

static struct rt_seat *seat_of(struct target *one, struct rt_loop *loop)
{
    list_for_each (it, &one->seats) {
        struct target_seat *s = LIST_ITEM(it, struct target_seat, link);
        if (s->seat.loop == loop)
            return &s->seat;
    }
    struct target_seat *s = malloc(sizeof *s);
    if (!s)
        return NULL;
    rt_seat_init(&s->seat, &one->places, loop);
    list_push(&one->seats, &s->link);
    return &s->seat;
}

struct rt_seat *rt_targets_seat(struct rt_targets *t, struct str name, struct rt_loop *loop)
{
    lock(&t->lock);
    struct target *one = find_or_make(t, name);
    struct rt_seat *s = one ? seat_of(one, loop) : NULL;
    unlock(&t->lock);
    return s;
}
