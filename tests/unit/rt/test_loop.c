#include "rt/loop.h"
#include "test_rt.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* ---- run queue */

struct note {
    struct rt_task task;
    struct rt_loop *loop;
    struct note *wakes; /* when it runs; NULL: nobody */
    int id;
    int *order, *n; /* where it says that it ran */
    int runs;
};

static void note_run(struct rt_task *t)
{
    struct note *n = CONTAINER_OF(t, struct note, task);
    n->runs++;
    if (n->order)
        n->order[(*n->n)++] = n->id;
    if (n->wakes)
        rt_wake(n->loop, &n->wakes->task);
}

static void test_wake_order(void **state)
{
    struct rt_loop *l = *state;
    int order[8], n = 0;
    struct note notes[3];
    for (int i = 0; i < 3; i++)
        notes[i] = (struct note){.task.run = note_run, .loop = l, .id = i, .order = order, .n = &n};
    notes[0].wakes = &notes[1]; /* woken while it runs: once more, at the end */
    rt_wake(l, &notes[2].task);
    rt_wake(l, &notes[0].task);
    rt_wake(l, &notes[2].task); /* is there already */
    assert_int_equal(n, 0);
    rt_loop_turn(l, 0);
    assert_int_equal(n, 3);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 0);
    assert_int_equal(order[2], 1);
    rt_loop_turn(l, 0);
    assert_int_equal(n, 3);
}

static void test_cancel(void **state)
{
    struct rt_loop *l = *state;
    struct note a = {.task.run = note_run}, b = a, c = a;
    rt_wake(l, &a.task);
    rt_wake(l, &b.task);
    rt_wake(l, &c.task);
    rt_cancel(l, &b.task);
    rt_cancel(l, &b.task);
    rt_cancel(l, &c.task);
    rt_wake(l, &c.task);
    rt_loop_turn(l, 0);
    assert_int_equal(a.runs, 1);
    assert_int_equal(b.runs, 0);
    assert_int_equal(c.runs, 1);
}

struct flag {
    struct rt_source source;
    uint32_t events;
};

static void flag_event(struct rt_source *s, uint32_t events)
{
    CONTAINER_OF(s, struct flag, source)->events |= events;
}

/* A task that wakes itself without end leaves room for events and timers. */
static void test_budget(void **state)
{
    struct rt_loop *l = *state;
    struct note busy = {.task.run = note_run, .loop = l, .wakes = &busy};
    struct note late = {.task.run = note_run};
    struct flag f = {.source.on_event = flag_event};
    struct rt_timer timer;
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(rt_watch(l, fds[0], EPOLLIN, &f.source), 0);
    rt_timer_init(&timer, &late.task);
    rt_wake(l, &busy.task);
    rt_loop_turn(l, -1);
    assert_int_equal(busy.runs + late.runs, RT_TURN_RUNS); /* the timer may be quick */
    assert_int_equal(f.events, 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    rt_loop_turn(l, -1);
    assert_int_equal(busy.runs + late.runs, 2 * RT_TURN_RUNS);
    assert_int_equal(f.events, EPOLLIN);
    rt_timer_set(l, &timer, rt_now_ms(l) + 2);
    UNTIL(l, late.runs >= 1);
    assert_int_equal(late.runs, 1);
    rt_cancel(l, &busy.task);
    close(fds[0]);
    close(fds[1]);
}

static void test_edge(void **state)
{
    struct rt_loop *l = *state;
    struct flag f = {.source.on_event = flag_event};
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(rt_watch(l, fds[0], EPOLLIN, &f.source), 0);
    assert_int_equal(write(fds[1], "x", 1), 1);
    rt_loop_turn(l, -1);
    assert_int_equal(f.events, EPOLLIN);
    f.events = 0;
    rt_loop_turn(l, 0); /* not read, and not told again */
    assert_int_equal(f.events, 0);
    assert_int_equal(write(fds[1], "y", 1), 1);
    rt_loop_turn(l, -1);
    assert_int_equal(f.events, EPOLLIN);
    f.events = 0;
    rt_unwatch(l, fds[0]);
    assert_int_equal(write(fds[1], "z", 1), 1);
    rt_loop_turn(l, 0);
    assert_int_equal(f.events, 0);
    assert_int_equal(rt_watch(l, -1, EPOLLIN, &f.source), ERR_SYSTEM);
    close(fds[0]);
    close(fds[1]);
}

/* ---- reaper */

struct mortal {
    struct rt_task task;
    struct rt_dead dead;
    struct rt_loop *loop;
    struct mortal *holds; /* dies with it; NULL: nobody */
    int *n_freed;
};

static void mortal_free(struct rt_dead *d)
{
    struct mortal *m = CONTAINER_OF(d, struct mortal, dead);
    ++*m->n_freed;
    if (m->holds)
        rt_reap(m->loop, &m->holds->dead);
    free(m);
}

static void mortal_run(struct rt_task *t)
{
    struct mortal *m = CONTAINER_OF(t, struct mortal, task);
    rt_reap(m->loop, &m->dead);
    assert_int_equal(*m->n_freed, 0); /* not before the end of the turn */
}

static struct mortal *mortal_new(struct rt_loop *l, int *n_freed)
{
    struct mortal *m = calloc(1, sizeof *m);
    assert_non_null(m);
    *m = (struct mortal){
        .task.run = mortal_run, .dead.free = mortal_free, .loop = l, .n_freed = n_freed};
    return m;
}

static void test_reap(void **state)
{
    struct rt_loop *l = *state;
    int n_freed = 0;
    struct mortal *a = mortal_new(l, &n_freed), *b = mortal_new(l, &n_freed);
    a->holds = mortal_new(l, &n_freed);
    rt_wake(l, &a->task);
    rt_wake(l, &b->task);
    rt_loop_turn(l, 0);
    assert_int_equal(n_freed, 3);
    /* what is reaped between turns or before the end dies, too */
    rt_reap(l, &mortal_new(l, &n_freed)->dead);
    rt_loop_turn(l, -1);
    assert_int_equal(n_freed, 4);
    rt_reap(l, &mortal_new(l, &n_freed)->dead);
    rt_loop_destroy(&l);
    assert_int_equal(n_freed, 5);
    *state = NULL;
}

/* ---- timers */

static void test_timer_moves(void **state)
{
    struct rt_loop *l = *state;
    int order[8], n = 0;
    struct note notes[4];
    struct rt_timer timers[4];
    uint64_t start = rt_now_ms(l);
    for (int i = 0; i < 4; i++) {
        notes[i] = (struct note){.task.run = note_run, .id = i, .order = order, .n = &n};
        rt_timer_init(&timers[i], &notes[i].task);
        assert_false(rt_timer_is_due(l, &timers[i]));
        rt_timer_set(l, &timers[i], start + 10);
    }
    rt_timer_set(l, &timers[0], start + 30); /* later */
    rt_timer_set(l, &timers[1], start + 40);
    rt_timer_set(l, &timers[1], start + 3); /* later, then earlier */
    rt_timer_clear(l, &timers[2]);
    UNTIL(l, n >= 1);
    assert_true(rt_now_ms(l) >= start + 3);
    UNTIL(l, n >= 2);
    assert_true(rt_now_ms(l) >= start + 10);
    UNTIL(l, n >= 3);
    assert_true(rt_now_ms(l) >= start + 30);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 3);
    assert_int_equal(order[2], 0);
    assert_true(rt_timer_is_due(l, &timers[0]));
    assert_false(rt_timer_is_due(l, &timers[2]));
    rt_timer_clear(l, &timers[0]);
    assert_false(rt_timer_is_due(l, &timers[0]));
    rt_loop_turn(l, 0);
    assert_int_equal(n, 3); /* each fired once */
}

/* One that was stopped does not fire at its old time, and can be set again, sooner and later. */
static void test_timer_stop(void **state)
{
    struct rt_loop *l = *state;
    int order[8], n = 0;
    struct note notes[4];
    struct rt_timer timers[4];
    uint64_t start = rt_now_ms(l);
    for (int i = 0; i < 4; i++) {
        notes[i] = (struct note){.task.run = note_run, .id = i, .order = order, .n = &n};
        rt_timer_init(&timers[i], &notes[i].task);
        rt_timer_set(l, &timers[i], start + 20);
        rt_timer_stop(&timers[i]);
        assert_false(rt_timer_is_due(l, &timers[i]));
    }
    rt_timer_set(l, &timers[1], start + 40);
    rt_timer_set(l, &timers[2], start + 5);
    rt_timer_set(l, &timers[3], start + 30);
    UNTIL(l, n >= 3);
    assert_true(rt_now_ms(l) >= start + 40);
    assert_int_equal(order[0], 2);
    assert_int_equal(order[1], 3);
    assert_int_equal(order[2], 1);
    assert_false(rt_timer_is_due(l, &timers[0]));
    rt_timer_set(l, &timers[0], 0); /* after its old time, too */
    UNTIL(l, n >= 4);
    assert_int_equal(order[3], 0);
}

/* A time that has passed does not make the loop wait, and fires once. */
static void test_timer_past(void **state)
{
    struct rt_loop *l = *state;
    struct note a = {.task.run = note_run};
    struct rt_timer t;
    rt_timer_init(&t, &a.task);
    rt_timer_set(l, &t, 0);
    assert_true(rt_timer_is_due(l, &t));
    rt_loop_turn(l, -1);
    assert_int_equal(a.runs, 1);
    rt_loop_turn(l, 0);
    assert_int_equal(a.runs, 1);
}

/* Thousands of timers, moved at random: each fires once, not early, in the order of its time. */
#define MANY 2000
struct many {
    struct rt_task task;
    struct rt_timer timer;
    struct rt_loop *loop;
    uint64_t due_ms, *last_ms;
    int *n;
};

static void many_run(struct rt_task *t)
{
    struct many *m = CONTAINER_OF(t, struct many, task);
    assert_true(m->due_ms);
    assert_true(rt_now_ms(m->loop) >= m->due_ms);
    assert_true(*m->last_ms <= m->due_ms);
    *m->last_ms = m->due_ms;
    m->due_ms = 0;
    ++*m->n;
}

static void test_timer_many(void **state)
{
    struct rt_loop *l = *state;
    static struct many many[MANY];
    unsigned seed = 7;
    uint64_t start = rt_now_ms(l), last_ms = 0;
    int n = 0, expected = 0;
    for (int i = 0; i < MANY; i++) {
        many[i] = (struct many){.task.run = many_run, .loop = l, .last_ms = &last_ms, .n = &n};
        rt_timer_init(&many[i].timer, &many[i].task);
    }
    for (int i = 0; i < 10 * MANY; i++) {
        struct many *m = &many[rand_r(&seed) % MANY];
        m->due_ms = rand_r(&seed) % 4 ? start + 1 + (uint64_t)rand_r(&seed) % 60 : 0;
        if (m->due_ms)
            rt_timer_set(l, &m->timer, m->due_ms);
        else
            rt_timer_clear(l, &m->timer);
    }
    for (int i = 0; i < MANY; i++)
        expected += many[i].due_ms != 0;
    assert_true(expected > MANY / 2);
    UNTIL(l, n == expected);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(many[i].due_ms, 0);
}

/* ---- other threads */

struct post {
    struct rt_message message;
    int thread, number;
};

#define THREADS 4
#define POSTS   5000

static struct {
    struct rt_loop *loop;
    int next[THREADS], n;
    struct post posts[THREADS][POSTS];
} posting;

static void post_deliver(struct rt_loop *l, struct rt_message *m)
{
    struct post *p = CONTAINER_OF(m, struct post, message);
    assert_ptr_equal(l, posting.loop);
    assert_int_equal(p->number, posting.next[p->thread]);
    posting.next[p->thread]++;
    posting.n++;
}

static void *post_main(void *arg)
{
    struct post *posts = arg;
    for (int i = 0; i < POSTS; i++)
        rt_post(posting.loop, &posts[i].message);
    return NULL;
}

static void test_post(void **state)
{
    struct rt_loop *l = *state;
    pthread_t threads[THREADS];
    posting.loop = l;
    posting.n = 0;
    for (int t = 0; t < THREADS; t++) {
        posting.next[t] = 0;
        for (int i = 0; i < POSTS; i++)
            posting.posts[t][i] = (struct post){{.deliver = post_deliver}, t, i};
        assert_int_equal(pthread_create(&threads[t], NULL, post_main, posting.posts[t]), 0);
    }
    UNTIL(l, posting.n == THREADS * POSTS);
    for (int t = 0; t < THREADS; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
}

static void test_post_after_end(void **state)
{
    struct rt_loop *l = *state;
    posting.loop = l;
    posting.next[0] = posting.n = 0;
    struct post p[2] = {{{.deliver = post_deliver}, 0, 0}, {{.deliver = post_deliver}, 0, 1}};
    rt_post(l, &p[0].message);
    rt_post(l, &p[1].message);
    rt_loop_destroy(&l);
    assert_int_equal(posting.n, 2);
    *state = NULL;
}

static void *stop_main(void *arg)
{
    rt_loop_stop(arg);
    return NULL;
}

static struct rt_loop *signalled;
static void on_signal(int number)
{
    rt_loop_stop(signalled);
}

static void test_stop(void **state)
{
    struct rt_loop *l = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_main, l), 0);
    rt_loop_run(l);
    assert_int_equal(pthread_join(thread, NULL), 0);

    rt_loop_stop(l); /* before: not lost */
    rt_loop_run(l);

    struct sigaction act = {.sa_handler = on_signal}, old;
    signalled = l;
    assert_int_equal(sigaction(SIGALRM, &act, &old), 0);
    ualarm(1000, 0);
    rt_loop_run(l);
    assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
}

/* ---- buffers */

static void test_buffers(void **state)
{
    struct rt_loop *l = *state;
    rt_buffer_limit(l, 2);
    struct rt_buffer *a = rt_buffer_get(l), *b = rt_buffer_get(l);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(rt_buffer_get(l));
    a->start = 3;
    a->end = 7;
    rt_buffer_put(l, &a);
    assert_null(a);
    assert_int_equal(rt_buffers_in_use(l), 1);
    a = rt_buffer_get(l);
    assert_non_null(a);
    assert_int_equal(a->start, 0);
    assert_int_equal(a->end, 0);
    rt_buffer_put(l, &a);
    rt_buffer_put(l, &a); /* nothing to give back */
    rt_buffer_put(l, &b);
    assert_int_equal(rt_buffers_in_use(l), 0);

    struct rt_buffer *many[RT_BUFFERS_WARM + 8];
    rt_buffer_limit(l, COUNT_OF(many));
    for (size_t i = 0; i < COUNT_OF(many); i++)
        assert_non_null(many[i] = rt_buffer_get(l));
    for (size_t i = 0; i < COUNT_OF(many); i++)
        rt_buffer_put(l, &many[i]);
    assert_int_equal(rt_buffers_in_use(l), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_wake_order), LOOP_TEST(test_cancel),     LOOP_TEST(test_budget),
        LOOP_TEST(test_edge),       LOOP_TEST(test_reap),       LOOP_TEST(test_timer_moves),
        LOOP_TEST(test_timer_past), LOOP_TEST(test_timer_stop), LOOP_TEST(test_timer_many),
        LOOP_TEST(test_post),       LOOP_TEST(test_buffers),    LOOP_TEST(test_post_after_end),
        LOOP_TEST(test_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
