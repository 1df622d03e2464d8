/* Places at a target: bounds, the queue over loops, who is told at once that it would take long. */
#include "rt/places.h"
#include "test_rt.h"

#define N_LOOPS 2

static struct rt_places places;
static struct rt_loop *loops[N_LOOPS];
static struct rt_seat seats[N_LOOPS];
static const struct rt_place_bounds one = {.places = 1, .waiting = 3};

struct user {
    struct rt_task task;
    struct rt_waiter waiter;
    int wakes;
};

static void user_run(struct rt_task *t)
{
    CONTAINER_OF(t, struct user, task)->wakes++;
}

static int begin(void **state)
{
    struct diag d = {0};
    int rc = 0;
    rt_places_init(&places);
    for (size_t i = 0; i < N_LOOPS && rc == 0; i++) {
        rc = rt_loop_create(&loops[i], &d);
        rt_seat_init(&seats[i], &places, loops[i]);
    }
    return rc;
}

static int end(void **state)
{
    size_t left = places.n_busy + places.n_waiting;
    for (size_t i = 0; i < N_LOOPS; i++)
        rt_loop_destroy(&loops[i]);
    rt_places_fini(&places);
    return left ? -1 : 0;
}

static int wait_at(struct user *u, size_t loop, const struct rt_place_bounds *b)
{
    u->task.run = user_run;
    u->waiter.task = &u->task;
    return rt_place_wait(&seats[loop], b, &u->waiter);
}

static void test_who_waits_longest_is_next(void **state)
{
    struct user far = {0}, near = {0};
    assert_true(rt_place_take(&seats[0], &one));
    assert_false(rt_place_take(&seats[1], &one));
    assert_int_equal(wait_at(&far, 1, &one), ERR_AGAIN);
    assert_int_equal(wait_at(&near, 0, &one), ERR_AGAIN);
    rt_place_give(&seats[0], &one);
    assert_false(rt_place_take(&seats[0], &one)); /* nobody overtakes */
    assert_int_equal(far.waiter.state, RT_WAITS); /* its loop has not turned */
    UNTIL(loops[1], far.wakes == 1);
    assert_true(rt_waiter_take(&far.waiter));
    assert_false(rt_waiter_take(&far.waiter));
    assert_int_equal(near.wakes, 0);
    rt_place_give(&seats[1], &one);
    UNTIL(loops[0], near.wakes == 1);
    assert_true(rt_waiter_take(&near.waiter));
    rt_place_give(&seats[0], &one);
}

static void test_who_leaves_passes_its_place_on(void **state)
{
    struct user gone[3] = {0}, last = {0};
    const struct rt_place_bounds b = {.places = 1, .waiting = 4};
    assert_true(rt_place_take(&seats[0], &b));
    for (size_t i = 0; i < COUNT_OF(gone); i++)
        assert_int_equal(wait_at(&gone[i], i % 2, &b), ERR_AGAIN);
    assert_int_equal(wait_at(&last, 1, &b), ERR_AGAIN);
    rt_waiter_leave(&gone[1].waiter); /* waits */
    rt_place_give(&seats[0], &b);
    assert_int_equal(gone[0].waiter.state, RT_CALLED);
    rt_waiter_leave(&gone[0].waiter); /* was called */
    rt_waiter_leave(&gone[2].waiter);
    rt_waiter_leave(&gone[2].waiter); /* is gone */
    assert_int_equal(places.n_waiting, 0);
    assert_int_equal(last.waiter.state, RT_WAITS);
    rt_waiter_leave(&last.waiter); /* was called, and the message is under way */
    assert_int_equal(places.n_busy, 0);
    rt_loop_turn(loops[1], 0);
    assert_int_equal(last.wakes, 0);
    for (size_t i = 0; i < COUNT_OF(gone); i++)
        rt_cancel(loops[i % 2], &gone[i].task);
}

static void test_bounds_may_change(void **state)
{
    const struct rt_place_bounds two = {.places = 2, .waiting = 3};
    struct user u[3] = {0};
    assert_true(rt_place_take(&seats[0], &two) && rt_place_take(&seats[0], &two));
    for (size_t i = 0; i < COUNT_OF(u); i++)
        assert_int_equal(wait_at(&u[i], 0, &one), ERR_AGAIN);
    rt_place_give(&seats[0], &one);
    assert_int_equal(u[0].waiter.state, RT_WAITS); /* there was one too many */
    rt_place_give(&seats[0], &two);
    assert_int_equal(u[0].waiter.state, RT_CALLED);
    assert_int_equal(u[1].waiter.state, RT_CALLED);
    assert_int_equal(u[2].waiter.state, RT_WAITS);
    for (size_t i = 0; i < COUNT_OF(u); i++) {
        rt_waiter_leave(&u[i].waiter);
        rt_cancel(loops[0], &u[i].task);
    }
}

static void test_the_queue_is_bounded_over_loops(void **state)
{
    struct user u[4] = {0};
    assert_true(rt_place_take(&seats[0], &one));
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(wait_at(&u[i], i % 2, &one), ERR_AGAIN);
    assert_int_equal(wait_at(&u[3], 1, &one), ERR_LIMIT);
    assert_int_equal(u[3].waiter.state, RT_WAITS_NOT);
    for (size_t i = 0; i < 3; i++)
        rt_waiter_leave(&u[i].waiter);
    rt_place_give(&seats[0], &one);
}

/* The queue has been there for ms, in which n places were handed over; what is one more told? */
static int judged(struct user *u, uint64_t ms, uint64_t n)
{
    static const struct rt_place_bounds b = {.places = 1, .waiting = 9, .wait_ms = 1000};
    places.since_ms = rt_now_ms(loops[0]) - ms;
    places.n_called = n;
    int rc = wait_at(u, 0, &b);
    rt_waiter_leave(&u->waiter);
    return rc;
}

static void test_who_would_wait_too_long_is_told(void **state)
{
    static const struct rt_place_bounds b = {.places = 1, .waiting = 9, .wait_ms = 1000};
    struct user first[2] = {0}, u = {0};
    assert_true(rt_place_take(&seats[0], &b));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(wait_at(&first[i], 0, &b), ERR_AGAIN);
    assert_int_equal(judged(&u, 499, 1), ERR_AGAIN); /* nobody knows yet */
    assert_int_equal(judged(&u, 999, 0), ERR_AGAIN);
    assert_int_equal(judged(&u, 1000, 0), ERR_OVERLOADED); /* nothing moves */
    assert_int_equal(judged(&u, 1000, 3), ERR_AGAIN);      /* the third of the queue: 1000 ms */
    assert_int_equal(judged(&u, 1000, 2), ERR_OVERLOADED);
    assert_int_equal(judged(&u, 600, 2), ERR_AGAIN);
    assert_int_equal(judged(&u, 700, 2), ERR_OVERLOADED);
    assert_int_equal(judged(&u, 2000, 40), ERR_AGAIN);
    assert_int_equal(places.n_called, 20); /* half of it is forgotten */
    assert_true(rt_now_ms(loops[0]) - places.since_ms == 1000);
    for (size_t i = 0; i < 2; i++)
        rt_waiter_leave(&first[i].waiter);
    assert_int_equal(wait_at(&u, 0, &b), ERR_AGAIN); /* the first of a new queue is not judged */
    rt_waiter_leave(&u.waiter);
    rt_place_give(&seats[0], &b);
}

static void test_targets_have_places_of_their_own(void **state)
{
    struct rt_targets t;
    rt_targets_init(&t);
    struct rt_seat *a = rt_targets_seat(&t, STR("a"), loops[0]);
    struct rt_seat *far = rt_targets_seat(&t, STR("a"), loops[1]);
    struct rt_seat *b = rt_targets_seat(&t, STR("ab"), loops[0]);
    assert_true(a && far && b && a != far);
    assert_ptr_equal(a, rt_targets_seat(&t, STR("a"), loops[0]));
    assert_true(rt_place_take(a, &one) && rt_place_take(b, &one));
    assert_false(rt_place_take(far, &one));
    rt_place_give(a, &one);
    rt_place_give(b, &one);
    rt_targets_fini(&t);
}

/* ---- many threads: no more than there are places at once, and everybody gets one */

#define N_THREADS 4
#define N_USERS   8
#define ROUNDS    500

static const struct rt_place_bounds three = {.places = 3, .waiting = N_THREADS * N_USERS};
static _Atomic unsigned n_inside, n_over;

struct crowd {
    struct rt_loop *loop;
    struct rt_seat seat;
    size_t n_left;
    struct member {
        struct crowd *crowd;
        struct rt_task task;
        struct rt_waiter waiter;
        bool is_inside;
        unsigned n;
    } members[N_USERS];
};

static void member_run(struct rt_task *t)
{
    struct member *m = CONTAINER_OF(t, struct member, task);
    struct crowd *c = m->crowd;
    if (m->is_inside) { /* for a turn */
        m->is_inside = false;
        atomic_fetch_sub(&n_inside, 1);
        rt_place_give(&c->seat, &three);
        if (++m->n == ROUNDS) {
            c->n_left--;
            return;
        }
    }
    if (rt_waiter_take(&m->waiter) || rt_place_take(&c->seat, &three)) {
        m->is_inside = true;
        if (atomic_fetch_add(&n_inside, 1) >= three.places)
            atomic_fetch_add(&n_over, 1);
        rt_wake(c->loop, t);
        return;
    }
    m->waiter.task = t;
    if (rt_place_wait(&c->seat, &three, &m->waiter) != ERR_AGAIN)
        atomic_fetch_add(&n_over, 1);
}

static void *crowd_main(void *p)
{
    struct crowd *c = p;
    while (c->n_left)
        rt_loop_turn(c->loop, -1);
    return NULL;
}

static void test_many_threads_share_places(void **state)
{
    static struct crowd crowds[N_THREADS];
    pthread_t threads[N_THREADS];
    struct diag d = {0};
    for (size_t i = 0; i < N_THREADS; i++) {
        struct crowd *c = &crowds[i];
        assert_int_equal(rt_loop_create(&c->loop, &d), 0);
        rt_seat_init(&c->seat, &places, c->loop);
        c->n_left = N_USERS;
        for (size_t k = 0; k < N_USERS; k++) {
            c->members[k] = (struct member){.crowd = c, .task.run = member_run};
            rt_wake(c->loop, &c->members[k].task);
        }
    }
    for (size_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowds[i]), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < N_THREADS; i++)
        rt_loop_destroy(&crowds[i].loop);
    assert_int_equal(n_over, 0);
    assert_int_equal(n_inside, 0);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    static const struct CMUnitTest tests[] = {
        CASE(test_who_waits_longest_is_next),
        CASE(test_who_leaves_passes_its_place_on),
        CASE(test_bounds_may_change),
        CASE(test_the_queue_is_bounded_over_loops),
        CASE(test_who_would_wait_too_long_is_told),
        CASE(test_targets_have_places_of_their_own),
        CASE(test_many_threads_share_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
