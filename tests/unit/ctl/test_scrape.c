/* Metrics of a daemon, as data. */
#include "ctl/scrape.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct arena arena;

static void test_samples(void **state)
{
    struct scrape s;
    assert_int_equal(scrape_parse(STR("# TYPE a counter\n# HELP a Words.\n"
                                      "a_total{site=\"Paris\",le=\"+Inf\"} 7\n"
                                      "b 1.250000\n"
                                      "c{x=\"\"} 18446744073709551615\n"
                                      "d{a=\"1\",b=\"2\",c=\"3\",d=\"4\",e=\"5\"} 0\n# EOF\n"),
                                  &arena, &s),
                     0);
    assert_int_equal(s.n, 4);
    assert_true(str_eq(s.samples[0].name, STR("a_total")));
    assert_true(str_eq(scrape_label(&s.samples[0], STR("site")), STR("Paris")));
    assert_true(str_eq(scrape_label(&s.samples[0], STR("le")), STR("+Inf")));
    assert_null(scrape_label(&s.samples[0], STR("plan")).p);
    assert_true(s.samples[0].value == 7);
    assert_true(scrape_value(&s, STR("b")) == 1.25);
    assert_true(s.samples[2].n_labels == 1 && s.samples[2].labels[0].value.n == 0);
    assert_true(s.samples[2].value > 1.8e19);
    assert_int_equal(s.samples[3].n_labels, SCRAPE_LABELS);
    assert_true(scrape_value(&s, STR("none")) == 0);
}

static void test_what_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "a 1\n",
        "a\n# EOF\n",
        "a \n# EOF\n",
        "a -1\n# EOF\n",
        "a 1.\n# EOF\n",
        "a 1e5\n# EOF\n",
        "a  1\n# EOF\n",
        "a 99999999999999999999\n# EOF\n",
        " 1\n# EOF\n",
        "\n# EOF\n",
        "a{b=\"c\" 1\n# EOF\n",
        "a{b=\"c} 1\n# EOF\n",
        "a{b=c} 1\n# EOF\n",
        "a{=\"c\"} 1\n# EOF\n",
        "a{b=\"c\"}1\n# EOF\n",
        "a{b=\"c\"\n# EOF\n",
    };
    struct scrape s;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(scrape_parse(str_of(bad[i]), &arena, &s), ERR_INVALID);
}

static int begin(void **state)
{
    arena_init(&arena, NULL, 0, 1 << 20);
    return 0;
}

static int end(void **state)
{
    arena_fini(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_what_is_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
