/* The rate of a body: windows, and time that is not the client's. */
#include "proxy/rate.h"
#include "../base/unit.h"

static const struct proxy_rate_bound bound = {.bytes_per_s = 100, .window_ms = 1000};

static void test_a_window_decides(void **state)
{
    struct proxy_rate r = {0};
    assert_false(proxy_rate_is_low(&r, &bound, 5000, 0));
    assert_false(proxy_rate_is_low(&r, &bound, 5999, 50));
    assert_true(proxy_rate_is_low(&r, &bound, 6000, 99));
    r = (struct proxy_rate){0};
    assert_false(proxy_rate_is_low(&r, &bound, 5000, 0));
    assert_false(proxy_rate_is_low(&r, &bound, 6000, 100));
    assert_false(proxy_rate_is_low(&r, &bound, 6999, 100)); /* the next one has begun */
    assert_true(proxy_rate_is_low(&r, &bound, 7000, 150));
}

static void test_a_long_window_asks_for_more(void **state)
{
    struct proxy_rate r = {0};
    assert_false(proxy_rate_is_low(&r, &bound, 1, 0));
    assert_true(proxy_rate_is_low(&r, &bound, 3001, 299));
    r = (struct proxy_rate){0};
    assert_false(proxy_rate_is_low(&r, &bound, 1, 0));
    assert_false(proxy_rate_is_low(&r, &bound, 3001, 300));
}

static void test_time_of_the_service_does_not_count(void **state)
{
    struct proxy_rate r = {0};
    assert_false(proxy_rate_is_low(&r, &bound, 1000, 0));
    proxy_rate_pause(&r, 1400);
    proxy_rate_pause(&r, 90000); /* twice is once */
    assert_false(proxy_rate_is_low(&r, &bound, 100000, 0));
    assert_false(proxy_rate_is_low(&r, &bound, 100599, 0));
    assert_true(proxy_rate_is_low(&r, &bound, 100600, 0));
}

static void test_no_bound_is_none(void **state)
{
    const struct proxy_rate_bound none = {.bytes_per_s = 0, .window_ms = 1};
    struct proxy_rate r = {0};
    assert_false(proxy_rate_is_low(&r, &none, 1, 0));
    assert_false(proxy_rate_is_low(&r, &none, 1000000, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_window_decides),
        cmocka_unit_test(test_a_long_window_asks_for_more),
        cmocka_unit_test(test_time_of_the_service_does_not_count),
        cmocka_unit_test(test_no_bound_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
