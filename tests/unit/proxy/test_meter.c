/* Counting by name and key, and what happens at the bounds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "proxy/meter.h"

static uint64_t total(const struct proxy_meter *m, size_t *cells)
{
    struct proxy_request_key key;
    uint64_t n, sum = 0;
    *cells = 0;
    for (size_t at = 0; proxy_meter_next(m, &at, &key, &n); ++*cells)
        sum += n;
    return sum;
}

static void test_each_key_is_counted_apart(void **state)
{
    struct proxy_meter *m;
    struct proxy_request_key key;
    uint64_t n;
    size_t cells, at = 0;
    assert_int_equal(proxy_meter_create(&m), 0);
    for (unsigned i = 0; i < 200; i++)
        for (unsigned times = 0; times <= i; times++)
            proxy_meter_request(m, &(struct proxy_request_key){.service = (uint16_t)(i % 7),
                                                               .site = (uint16_t)(i / 7),
                                                               .plan = 1,
                                                               .class_ = 2});
    assert_int_equal(total(m, &cells), 200 * 201 / 2);
    assert_int_equal(cells, 200);
    while (proxy_meter_next(m, &at, &key, &n))
        assert_int_equal(n, key.service + 7 * key.site + 1);
    proxy_meter_destroy(&m);
}

static void test_what_finds_no_cell_is_counted_too(void **state)
{
    struct proxy_meter *m;
    size_t cells;
    assert_int_equal(proxy_meter_create(&m), 0);
    for (unsigned i = 0; i < PROXY_METER_CELLS + 10; i++)
        proxy_meter_request(m, &(struct proxy_request_key){.site = (uint16_t)i});
    assert_int_equal(total(m, &cells), PROXY_METER_CELLS);
    assert_int_equal(counter_get(&m->uncounted), 10);
    proxy_meter_destroy(&m);
}

static void test_buckets_have_their_upper_bounds(void **state)
{
    struct proxy_meter *m;
    assert_int_equal(proxy_meter_create(&m), 0);
    for (unsigned b = 0; b < PROXY_BUCKETS - 1; b++) {
        proxy_meter_leg(m, 3, proxy_bucket_us[b]);     /* in it */
        proxy_meter_leg(m, 3, proxy_bucket_us[b] + 1); /* in the next */
    }
    assert_int_equal(counter_get(&m->legs[3]->buckets[0]), 1);
    for (unsigned b = 1; b < PROXY_BUCKETS - 1; b++)
        assert_int_equal(counter_get(&m->legs[3]->buckets[b]), 2);
    assert_int_equal(counter_get(&m->legs[3]->buckets[PROXY_BUCKETS - 1]), 1);
    assert_null(m->legs[4]);
    proxy_meter_destroy(&m);
}

static void test_names_keep_their_numbers(void **state)
{
    struct proxy_name_tables t;
    char text[16];
    proxy_names_init(&t);
    unsigned paris = proxy_name_number(&t.sites, STR("Paris"));
    assert_int_not_equal(paris, PROXY_NAME_OTHER);
    for (unsigned i = 2; i < PROXY_NAMES_MAX; i++) {
        snprintf(text, sizeof text, "site%u", i);
        assert_int_equal(proxy_name_number(&t.sites, str_of(text)), i);
    }
    assert_int_equal(proxy_name_number(&t.sites, STR("one more")), PROXY_NAME_OTHER);
    assert_int_equal(proxy_name_number(&t.sites, STR("Paris")), paris);
    assert_true(str_eq(proxy_name_of(&t.sites, paris), STR("Paris")));
    assert_true(str_eq(proxy_name_of(&t.sites, PROXY_NAME_OTHER), STR("")));
    assert_int_equal(proxy_name_number(&t.services, STR("image")), 1);
    proxy_names_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_key_is_counted_apart),
        cmocka_unit_test(test_what_finds_no_cell_is_counted_too),
        cmocka_unit_test(test_buckets_have_their_upper_bounds),
        cmocka_unit_test(test_names_keep_their_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
