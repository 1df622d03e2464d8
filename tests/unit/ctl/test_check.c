/* What `cheops check` makes of times, clocks and descriptors. */
#include "ctl/check.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define DAY 86400

static void test_validity(void **state)
{
    int64_t now = 1000 * DAY;
    assert_int_equal(check_validity(now, now + 30 * DAY, now), CHECK_OK);
    assert_int_equal(check_validity(now, now + 30 * DAY - 1, now), CHECK_WARNING);
    assert_int_equal(check_validity(now, now + 1, now), CHECK_WARNING);
    assert_int_equal(check_validity(now, now, now), CHECK_FAULT);
    assert_int_equal(check_validity(0, now - DAY, now), CHECK_FAULT);
    assert_int_equal(check_validity(now + 1, now + 90 * DAY, now), CHECK_FAULT);
}

/* Only what is sure counts. */
static void test_clocks(void **state)
{
    assert_int_equal(check_clock(0, 500), CHECK_OK);
    assert_int_equal(check_clock(1499, 500), CHECK_OK);
    assert_int_equal(check_clock(-1499, 500), CHECK_OK);
    assert_int_equal(check_clock(1500, 500), CHECK_WARNING);
    assert_int_equal(check_clock(-1500, 500), CHECK_WARNING);
    assert_int_equal(check_clock(1500, 5000), CHECK_OK);
    assert_int_equal(check_clock(60499, 500), CHECK_WARNING);
    assert_int_equal(check_clock(60500, 500), CHECK_FAULT);
    assert_int_equal(check_clock(INT64_MIN, 500), CHECK_FAULT);
    assert_int_equal(check_clock(INT64_MAX, 500), CHECK_FAULT);
}

static void test_descriptors(void **state)
{
    assert_int_equal(check_descriptors(1000, 10, 1000), CHECK_OK);
    assert_int_equal(check_descriptors(1000, 10, 1001), CHECK_WARNING);
    assert_int_equal(check_descriptors(1000, 949, 1000), CHECK_OK);
    assert_int_equal(check_descriptors(1000, 950, 1000), CHECK_FAULT);
    assert_int_equal(check_descriptors(1000, 950, 2000), CHECK_FAULT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validity),
        cmocka_unit_test(test_clocks),
        cmocka_unit_test(test_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
