/* Addresses and ranges: what is taken, what is refused, what is within what. */
#include "test_rt.h"

#include "rt/ip.h"

static struct rt_ip ip(const char *text)
{
    struct rt_ip a;
    assert_int_equal(rt_ip_parse(str_of(text), &a), 0);
    return a;
}

static void check_text(const char *text, const char *printed)
{
    char memory[64];
    struct out o;
    struct rt_ip a = ip(text);
    out_init(&o, memory, sizeof memory);
    rt_ip_print(&a, &o);
    assert_true(str_eq(out_get(&o), str_of(printed)));
}

static void addresses_are_read_and_printed(void **state)
{
    check_text("192.0.2.1", "192.0.2.1");
    check_text("0.0.0.0", "0.0.0.0");
    check_text("2001:DB8:0:0::1", "2001:db8::1");
    check_text("::", "::");
    check_text("::ffff:192.0.2.7", "192.0.2.7");
    check_text("::ffff:c000:207", "192.0.2.7");
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        " ",
                                        "1",
                                        "1.2.3",
                                        "1.2.3.4.5",
                                        "256.1.1.1",
                                        "01.2.3.4",
                                        "1.2.3.4 ",
                                        " 1.2.3.4",
                                        "1.2.3.4:80",
                                        "a.b.c.d",
                                        "[::1]",
                                        "::1%lo",
                                        ":",
                                        ":::",
                                        "1::2::3",
                                        "unknown",
                                        "_hidden",
                                        "0x7f.1.1.1",
                                        "1111:2222:3333:4444:5555:6666:7777:8888:9999",
                                        "1111:2222:3333:4444:5555:6666:123.123.123.123111"};
    struct rt_ip a;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        assert_int_equal(rt_ip_parse(str_of(wrong[i]), &a), ERR_INVALID);
    assert_int_equal(rt_ip_parse((struct str){"1.2.3.4\0", 8}, &a), ERR_INVALID);
}

static bool has(const char *range, const char *address)
{
    struct rt_ip_range r;
    const char *why;
    struct rt_ip a = ip(address);
    assert_int_equal(rt_ip_range_parse(str_of(range), &r, &why), 0);
    return rt_ip_is_in(&a, &r, 1);
}

static void a_range_has_what_begins_as_it_does(void **state)
{
    assert_true(has("192.0.2.0/24", "192.0.2.0") && has("192.0.2.0/24", "192.0.2.255"));
    assert_false(has("192.0.2.0/24", "192.0.3.0") || has("192.0.2.0/24", "192.0.1.255"));
    assert_true(has("192.0.2.8/29", "192.0.2.15") && !has("192.0.2.8/29", "192.0.2.16"));
    assert_true(has("128.0.0.0/1", "255.0.0.1") && !has("128.0.0.0/1", "127.255.255.255"));
    assert_true(has("192.0.2.1", "192.0.2.1") && !has("192.0.2.1", "192.0.2.2"));
    assert_true(has("192.0.2.1/32", "192.0.2.1") && !has("192.0.2.1/32", "192.0.2.0"));
    assert_true(has("2001:db8::/33", "2001:db8:7fff::1") &&
                !has("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(has("::1", "::1") && !has("::1", "::2"));
}

static void families_are_apart(void **state)
{
    assert_true(has("0.0.0.0/0", "198.51.100.1") && !has("0.0.0.0/0", "2001:db8::1"));
    assert_true(has("::/0", "2001:db8::1") && !has("::/0", "198.51.100.1"));
    assert_true(has("::ffff:10.0.0.0/104", "10.9.9.9") && !has("::ffff:10.0.0.0/104", "11.0.0.0"));
    assert_true(has("10.0.0.0/8", "::ffff:10.1.1.1"));
}

static void a_unix_socket_is_a_range_of_its_own(void **state)
{
    struct rt_ip none = {0}, some = ip("192.0.2.1");
    struct rt_ip_range local, all;
    const char *why;
    assert_int_equal(rt_ip_range_parse(STR("unix:"), &local, &why), 0);
    assert_int_equal(rt_ip_range_parse(STR("0.0.0.0/0"), &all, &why), 0);
    assert_true(rt_ip_is_in(&none, &local, 1) && !rt_ip_is_in(&some, &local, 1));
    assert_false(rt_ip_is_in(&none, &all, 1));
    assert_false(rt_ip_is_in(&none, NULL, 0));
}

static void what_is_no_range_is_refused(void **state)
{
    static const char *const wrong[] = {"",
                                        "/",
                                        "/8",
                                        "10.0.0.0/",
                                        "10.0.0.0/33",
                                        "10.0.0.0/-1",
                                        "10.0.0.0/08x",
                                        "10.0.0.0/8/8",
                                        "::/129",
                                        "10.0.0.1/8",
                                        "2001:db8::1/64",
                                        "unix:/path",
                                        "::ffff:10.0.0.0/95",
                                        "host/8",
                                        "10.0.0.0/ 8"};
    struct rt_ip_range r;
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const char *why = NULL;
        assert_int_equal(rt_ip_range_parse(str_of(wrong[i]), &r, &why), ERR_INVALID);
        assert_non_null(why);
    }
}

static void a_socket_address_is_taken_without_its_port(void **state)
{
    struct rt_address a;
    struct rt_ip got, want = ip("192.0.2.1");
    assert_int_equal(rt_address_parse(STR("192.0.2.1:80"), &a), 0);
    rt_ip_of(&a, &got);
    assert_memory_equal(&got, &want, sizeof got);
    assert_int_equal(rt_address_parse(STR("[::ffff:192.0.2.1]:80"), &a), 0);
    rt_ip_of(&a, &got);
    assert_memory_equal(&got, &want, sizeof got);
    assert_int_equal(rt_address_parse(STR("unix:/tmp/x"), &a), 0);
    rt_ip_of(&a, &got);
    assert_int_equal(got.n_bits, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_and_printed),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(a_range_has_what_begins_as_it_does),
        cmocka_unit_test(families_are_apart),
        cmocka_unit_test(a_unix_socket_is_a_range_of_its_own),
        cmocka_unit_test(what_is_no_range_is_refused),
        cmocka_unit_test(a_socket_address_is_taken_without_its_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
