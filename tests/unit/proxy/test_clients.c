/* Places of clients' addresses: limits, networks, what is used again, many threads. */
#include "proxy/clients.h"
#include "../base/unit.h"

#include <pthread.h>
#include <stdio.h>

static struct proxy_clients *clients;

static int begin(void **state)
{
    return proxy_clients_create(&clients);
}

static int end(void **state)
{
    proxy_clients_destroy(&clients);
    return 0;
}

static struct rt_ip ip(const char *text)
{
    struct rt_ip a;
    assert_int_equal(rt_ip_parse(str_of(text), &a), 0);
    return a;
}

static struct counter *take(const char *text, uint64_t limit)
{
    struct rt_ip a = ip(text);
    struct counter *place = NULL;
    int rc = proxy_clients_take(clients, &a, limit, &place);
    assert_true(rc == 0 || rc == ERR_LIMIT);
    return rc == 0 ? place : NULL;
}

static uint64_t taken(const char *text)
{
    struct rt_ip a = ip(text);
    return proxy_clients_of(clients, &a);
}

static void test_an_address_has_so_many_places(void **state)
{
    struct counter *a = take("192.0.2.1", 2), *b = take("192.0.2.1", 2);
    assert_true(a && b && !take("192.0.2.1", 2));
    assert_int_equal(taken("192.0.2.1"), 2);
    struct counter *other = take("192.0.2.2", 2);
    assert_non_null(other);
    counter_give(a);
    a = take("192.0.2.1", 2);
    assert_true(a && !take("192.0.2.1", 2));
    counter_give(a);
    counter_give(b);
    counter_give(other);
    assert_int_equal(taken("192.0.2.1"), 0);
}

static void test_ipv6_is_counted_by_network(void **state)
{
    struct counter *a = take("2001:db8:0:1::1", 1);
    assert_true(a && !take("2001:db8:0:1:ffff::2", 1));
    struct counter *b = take("2001:db8:0:2::1", 1);
    assert_non_null(b);
    counter_give(a);
    counter_give(b);
}

/* ::c000:201:0:0:0:0/64 has the same bits as 192.0.2.1. */
static void test_families_are_apart(void **state)
{
    struct counter *a = take("192.0.2.1", 1), *b = take("0:0:c000:201::", 1);
    assert_true(a && b && a != b);
    counter_give(a);
    counter_give(b);
}

static void test_places_of_others_that_are_gone_are_used_again(void **state)
{
    char text[32];
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof text, "10.%u.%u.1", i / 256, i % 256);
        struct counter *place = take(text, 1);
        assert_non_null(place);
        assert_null(take(text, 1));
        counter_give(place);
    }
    for (unsigned i = 0; i < 20000; i += 777) {
        snprintf(text, sizeof text, "10.%u.%u.1", i / 256, i % 256);
        assert_int_equal(taken(text), 0);
    }
}

#define LIMIT 5

static void *crowd(void *most)
{
    _Atomic unsigned *now = most;
    struct rt_ip a;
    int rc = rt_ip_parse(STR("192.0.2.1"), &a);
    for (int i = 0; i < 20000 && rc == 0; i++) {
        struct counter *place;
        if (proxy_clients_take(clients, &a, LIMIT, &place) < 0)
            continue;
        if (atomic_fetch_add(now, 1) >= LIMIT)
            rc = ERR_LIMIT;
        atomic_fetch_sub(now, 1);
        counter_give(place);
    }
    return rc == 0 ? most : NULL;
}

static void test_no_more_than_that_at_once(void **state)
{
    pthread_t threads[8];
    _Atomic unsigned now = 0;
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, crowd, &now), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *well;
        assert_int_equal(pthread_join(threads[i], &well), 0);
        assert_non_null(well);
    }
    assert_int_equal(taken("192.0.2.1"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_address_has_so_many_places, begin, end),
        cmocka_unit_test_setup_teardown(test_ipv6_is_counted_by_network, begin, end),
        cmocka_unit_test_setup_teardown(test_families_are_apart, begin, end),
        cmocka_unit_test_setup_teardown(test_places_of_others_that_are_gone_are_used_again, begin,
                                        end),
        cmocka_unit_test_setup_teardown(test_no_more_than_that_at_once, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
