/* rt/test_rt.h: what the tests of rt share: a loop for each test, and waiting for a condition with
 * a deadline. Included first after the header under test: cmocka.h wants these headers before it.
 */
#ifndef TEST_RT_H
#define TEST_RT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "rt/loop.h"

#define DEADLINE_MS 20000

/* Turns the loop until the condition holds; the test fails when it does not in DEADLINE_MS. */
#define UNTIL(loop, condition)                                                                     \
    do {                                                                                           \
        struct test_deadline until_;                                                               \
        test_deadline_begin(&until_, loop);                                                        \
        while (!(condition)) {                                                                     \
            if (rt_timer_is_due(loop, &until_.timer))                                              \
                fail_msg("in vain: %s", #condition);                                               \
            rt_loop_turn(loop, -1);                                                                \
        }                                                                                          \
        rt_timer_clear(loop, &until_.timer);                                                       \
    } while (0)

struct test_deadline {
    struct rt_task task;
    struct rt_timer timer;
};

static inline void test_deadline_run(struct rt_task *t)
{
}

static inline void test_deadline_begin(struct test_deadline *d, struct rt_loop *l)
{
    *d = (struct test_deadline){.task.run = test_deadline_run};
    rt_timer_init(&d->timer, &d->task);
    rt_timer_set(l, &d->timer, rt_now_ms(l) + DEADLINE_MS);
}

static inline int test_loop_setup(void **state)
{
    struct rt_loop *l = NULL;
    struct diag d = {0};
    int rc = rt_loop_create(&l, &d);
    *state = l;
    return rc;
}

static inline int test_loop_teardown(void **state)
{
    struct rt_loop *l = *state;
    rt_loop_destroy(&l);
    return 0;
}

#define LOOP_TEST(f) cmocka_unit_test_setup_teardown(f, test_loop_setup, test_loop_teardown)

#endif
