/* The watchdog is fed only when every loop has answered. The loops of two workers are turned by
 * hand: one that is not turned is one that is stuck. */
#include "daemon/internal.h"
#include "../rt/test_rt.h"
#include "manager.h"

#include <stdlib.h>

#define ROUND_MS 20

static struct daemon x;
static struct worker_thread threads[2];
static struct cfg cfg;

static void end_workers(void)
{
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        if (threads[i].loop)
            rt_loop_destroy(&threads[i].loop);
    rt_loop_turn(x.loop, 0); /* what they sent back */
}

static int set_up(void **state)
{
    struct diag d = {0};
    cfg = (struct cfg){.site = STR("Nantes"), .n_listeners = 1, .n_sites = 3};
    memset(&threads, 0, sizeof threads);
    x = (struct daemon){.cfg = &cfg, .threads = threads, .n_threads = COUNT_OF(threads)};
    assert_int_equal(setenv("NOTIFY_SOCKET", manager_open(), 1), 0);
    assert_int_equal(service_open(&x.service, &d), 0);
    assert_int_equal(rt_loop_create(&x.loop, &d), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        threads[i].daemon = &x;
        assert_int_equal(rt_loop_create(&threads[i].loop, &d), 0);
    }
    x.service.watchdog_us = 3 * ROUND_MS * 1000;
    return 0;
}

static int tear_down(void **state)
{
    daemon_watchdog_stop(&x);
    end_workers();
    rt_loop_destroy(&x.loop);
    service_close(&x.service);
    manager_close();
    return 0;
}

/* Until every worker is asked; the round does not end of itself, however slow this machine is. */
static void wait_for_question(void)
{
    UNTIL(x.loop, x.n_beats_owed == COUNT_OF(threads));
    rt_timer_set(x.loop, &x.beat_timer, rt_now_ms(x.loop) + 10 * DEADLINE_MS);
}

static void answer(size_t i)
{
    rt_loop_turn(threads[i].loop, 0);
    rt_loop_turn(x.loop, 0);
}

static void test_it_is_fed_when_the_last_one_has_answered(void **state)
{
    daemon_watchdog_start(&x);
    assert_string_equal(manager_heard(), "WATCHDOG=1"); /* at once: the start took its time */
    for (int round = 0; round < 3; round++) {
        wait_for_question();
        assert_string_equal(manager_heard(), "");
        assert_true(threads[0].owes_beat && threads[1].owes_beat);
        answer(round % 2);
        assert_int_equal(x.n_beats_owed, 1);
        assert_string_equal(manager_heard(), "");
        answer(1 - round % 2);
        assert_int_equal(x.n_beats_owed, 0);
        assert_string_equal(manager_heard(), "WATCHDOG=1");
        assert_string_equal(manager_heard(), "");
    }
}

static void test_one_that_does_not_answer_is_named_once(void **state)
{
    daemon_watchdog_start(&x);
    assert_string_equal(manager_heard(), "WATCHDOG=1");
    wait_for_question();
    answer(0);
    stderr_begin();
    rt_timer_set(x.loop, &x.beat_timer, rt_now_ms(x.loop));
    UNTIL(x.loop, x.beat_is_late);
    rt_loop_turn(x.loop, 3 * ROUND_MS);
    assert_string_equal(stderr_end(), "cheopsd: worker-1 has not answered for 20 ms\n");
    assert_string_equal(manager_heard(), "STATUS=worker-1 does not answer");
    assert_string_equal(manager_heard(), "");
    stderr_begin();
    answer(1);
    assert_string_equal(stderr_end(), "cheopsd: every worker answers again\n");
    assert_false(x.beat_is_late);
    assert_string_equal(manager_heard(), "WATCHDOG=1");
    assert_string_equal(manager_heard(), "STATUS=site Nantes, 1 listeners, 2 other sites");
    wait_for_question(); /* it goes on as before */
    answer(0);
    answer(1);
    assert_string_equal(manager_heard(), "WATCHDOG=1");
}

static void test_all_that_do_not_answer_are_named(void **state)
{
    daemon_watchdog_start(&x);
    assert_string_equal(manager_heard(), "WATCHDOG=1");
    stderr_begin();
    UNTIL(x.loop, x.beat_is_late);
    assert_string_equal(stderr_end(), "cheopsd: worker-0 has not answered for 20 ms\n"
                                      "cheopsd: worker-1 has not answered for 20 ms\n");
    assert_string_equal(manager_heard(), "STATUS=worker-0 does not answer");
    assert_string_equal(manager_heard(), "STATUS=worker-1 does not answer");
    assert_string_equal(manager_heard(), "");
}

static void test_without_one_nobody_is_asked(void **state)
{
    x.service.watchdog_us = 0;
    daemon_watchdog_start(&x);
    rt_loop_turn(x.loop, 3 * ROUND_MS);
    assert_int_equal(x.n_beats_owed, 0);
    assert_string_equal(manager_heard(), "");
}

/* Less than a millisecond for each third of the time: as often as can be, and not without end. */
static void test_a_time_that_is_very_short(void **state)
{
    x.service.watchdog_us = 1;
    daemon_watchdog_start(&x);
    assert_string_equal(manager_heard(), "WATCHDOG=1");
    wait_for_question();
    answer(0);
    answer(1);
    assert_string_equal(manager_heard(), "WATCHDOG=1");
}

/* In the middle of a round, as the end of the daemon comes. */
static void test_after_the_stop_nothing_is_said(void **state)
{
    daemon_watchdog_start(&x);
    assert_string_equal(manager_heard(), "WATCHDOG=1");
    wait_for_question();
    answer(0);
    daemon_watchdog_stop(&x);
    end_workers();
    assert_int_equal(x.n_beats_owed, 0);
    rt_loop_turn(x.loop, 3 * ROUND_MS);
    assert_int_equal(x.n_beats_owed, 0);
    assert_string_equal(manager_heard(), "");
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_it_is_fed_when_the_last_one_has_answered),
        TEST(test_one_that_does_not_answer_is_named_once),
        TEST(test_all_that_do_not_answer_are_named),
        TEST(test_without_one_nobody_is_asked),
        TEST(test_a_time_that_is_very_short),
        TEST(test_after_the_stop_nothing_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
