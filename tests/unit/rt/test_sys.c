#include "rt/sys.h"
#include "test_rt.h"

#include <signal.h>
#include <time.h>

static void test_random(void **state)
{
    static unsigned char seen[4096], large[2000];
    static const unsigned char zeros[16];
    for (size_t i = 0; i < sizeof seen; i += 16)
        rt_random(seen + i, 16);
    for (size_t i = 0; i < sizeof seen; i += 16) {
        assert_memory_not_equal(seen + i, zeros, 16);
        for (size_t j = 0; j < i; j += 16)
            assert_memory_not_equal(seen + i, seen + j, 16);
    }
    rt_random(large, sizeof large);
    for (size_t i = 0; i + 16 <= sizeof large; i += 16)
        assert_memory_not_equal(large + i, zeros, 16);
    rt_random(large, 0);
}

static void check_time(time_t second)
{
    char expected[64], mem[64];
    struct tm tm;
    struct out o;
    assert_non_null(gmtime_r(&second, &tm));
    assert_true(strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.004567Z", &tm) > 0);
    out_init(&o, mem, sizeof mem);
    rt_print_time((uint64_t)second * 1000000 + 4567, &o);
    out_char(&o, '\0');
    assert_string_equal(mem, expected);
}

static void test_print_time(void **state)
{
    check_time(0);
    check_time(0);
    check_time(1795493408);                                                        /* 2026-11-24 */
    static const time_t edges[] = {951782399,  951782400,  951868799,   951868800, /* 2000-02-29 */
                                   4107542400, 4107456000,                         /* 2100: none */
                                   1735689599, 1735689600, 253402300799};
    for (size_t i = 0; i < COUNT_OF(edges); i++)
        check_time(edges[i]);
    for (time_t day = 0; day < 150 * 365; day++)
        check_time(day * 86400 + day % 86400);
}

#define IMF_FIXDATE "%a, %d %b %Y %H:%M:%S GMT"

static void test_http_date(void **state)
{
    char before[40], after[40];
    /* The clock may go on to the next second in between. */
    time_t second = time(NULL);
    struct str date = rt_http_date();
    time_t end = time(NULL);
    struct tm tm;
    assert_int_equal(date.n, 29);
    assert_true(strftime(after, sizeof after, IMF_FIXDATE, gmtime_r(&end, &tm)) == 29);
    bool found = str_eq(date, str_of(after));
    for (time_t s = second - 1; s <= end && !found; s++) {
        assert_true(strftime(before, sizeof before, IMF_FIXDATE, gmtime_r(&s, &tm)) == 29);
        found = str_eq(date, str_of(before));
    }
    assert_true(found);
    assert_ptr_equal(rt_http_date().p, date.p);
}

static void test_clocks(void **state)
{
    uint64_t mono = rt_mono_us(), wall = rt_wall_us();
    assert_true(rt_mono_us() >= mono);
    assert_true(wall / 1000000 <= (uint64_t)time(NULL));
    assert_true(wall / 1000000 + 10 > (uint64_t)time(NULL));
}

static void *mask_main(void *context)
{
    sigset_t *mask = context;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, mask) == 0);
    char name[16];
    CHECK(pthread_getname_np(pthread_self(), name, sizeof name) == 0);
    return NULL;
}

static void test_thread(void **state)
{
    pthread_t t;
    struct diag d = {0};
    sigset_t mask, own;
    assert_int_equal(rt_thread_start(&t, "masked", mask_main, &mask, &d), 0);
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_true(sigismember(&mask, SIGTERM));
    assert_true(sigismember(&mask, SIGHUP));
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &own), 0);
    assert_false(sigismember(&own, SIGTERM));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),    cmocka_unit_test(test_print_time),
        cmocka_unit_test(test_http_date), cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
