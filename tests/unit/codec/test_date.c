/* Dates of HTTP. */
#include "codec/date.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static void test_the_example_of_the_rfc(void **state)
{
    int64_t s = 0;
    assert_int_equal(date_parse(STR("Sun, 06 Nov 1994 08:49:37 GMT"), &s), 0);
    assert_int_equal(s, 784111777);
}

/* Every day from 1970 to 2110, as the C library writes it. */
static void test_every_day(void **state)
{
    for (int64_t day = 0; day < 51135; day++) {
        char text[40];
        struct tm tm;
        int64_t want = day * 86400 + day % 86400, got = -1;
        time_t t = (time_t)want;
        assert_non_null(gmtime_r(&t, &tm));
        assert_int_equal(strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm), 29);
        assert_int_equal(date_parse(str_of(text), &got), 0);
        assert_int_equal(got, want);
    }
}

static void test_what_is_no_date(void **state)
{
    static const char *const bad[] = {
        "",
        "Sun, 06 Nov 1994 08:49:37 GM",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Wed, 29 Feb 1995 08:49:37 GMT",
        "Thu, 29 Feb 2100 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1969 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 06 Nov 1994 08 49:37 GMT",
    };
    int64_t s = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(date_parse(str_of(bad[i]), &s), ERR_INVALID);
    assert_int_equal(s, 7);
    assert_int_equal(date_parse(STR("Sat, 31 Dec 2016 23:59:60 GMT"), &s), 0);
    assert_int_equal(s, 1483228800);
    assert_int_equal(date_parse(STR("Tue, 29 Feb 2000 00:00:00 GMT"), &s), 0);
    assert_int_equal(s, 951782400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_example_of_the_rfc),
        cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_what_is_no_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
