/* Whom a request comes from, where a proxy is trusted: chains, what is not an address, lies. */
#include "proxy/forwarded.h"
#include "../base/unit.h"

static struct h1_field fields[64];
static struct h1_head head;
static struct proxy_forwarded got;

/* The client and who forwarded, as one text. */
static void check(const char *lines, bool is_forwarded, const char *chain)
{
    static char bytes[8192];
    static struct rt_ip_range proxies[2];
    char memory[2048];
    const char *why;
    struct proxy_forwarded_by by = {
        .proxies = proxies, .n_proxies = 2, .is_forwarded = is_forwarded};
    struct out o;
    assert_int_equal(rt_ip_range_parse(STR("10.0.0.0/8"), &proxies[0], &why), 0);
    assert_int_equal(rt_ip_range_parse(STR("2001:db8:f::/48"), &proxies[1], &why), 0);
    assert_int_equal(rt_ip_parse(STR("10.0.0.1"), &by.peer), 0);
    out_init(&o, bytes, sizeof bytes);
    out_fmt(&o, "GET / HTTP/1.1\r\nHost: h\r\n%s\r\n", lines);
    assert_false(o.overflowed);
    assert_int_equal(h1_request_parse(&head, out_get(&o), fields, COUNT_OF(fields), &why), 0);
    proxy_forwarded_read(&head, &by, &got);
    out_init(&o, memory, sizeof memory);
    for (size_t i = 0; i < got.n; i++) {
        if (i)
            OUT(&o, " ");
        rt_ip_print(&got.chain[i], &o);
    }
    assert_true(str_eq(out_get(&o), str_of(chain)));
}

#define XFF "X-Forwarded-For: "

static void test_the_last_address_that_is_no_proxys_is_the_client(void **state)
{
    check("", false, "10.0.0.1");
    check(XFF "198.51.100.7\r\n", false, "198.51.100.7 10.0.0.1");
    check(XFF "198.51.100.7, 10.1.1.1\r\n", false, "198.51.100.7 10.1.1.1 10.0.0.1");
    check(XFF "198.51.100.7\r\n" XFF "2001:db8:f::1,10.1.1.1\r\n", false,
          "198.51.100.7 2001:db8:f::1 10.1.1.1 10.0.0.1");
    check(XFF "10.3.3.3, 10.2.2.2\r\n", false, "10.3.3.3 10.2.2.2 10.0.0.1");
}

static void test_what_a_client_wrote_before_it_does_not_count(void **state)
{
    check(XFF "10.9.9.9, 192.0.2.1, 198.51.100.7\r\n", false, "198.51.100.7 10.0.0.1");
    check(XFF "10.9.9.9\r\n" XFF "198.51.100.7, 10.1.1.1\r\n", false,
          "198.51.100.7 10.1.1.1 10.0.0.1");
}

static void test_an_address_may_have_brackets_and_a_port(void **state)
{
    check(XFF "198.51.100.7:4711\r\n", false, "198.51.100.7 10.0.0.1");
    check(XFF "[2001:db8::7]:4711\r\n", false, "2001:db8::7 10.0.0.1");
    check(XFF "[2001:db8::7]\r\n", false, "2001:db8::7 10.0.0.1");
    check(XFF "2001:db8::7\r\n", false, "2001:db8::7 10.0.0.1");
    check(XFF " , 198.51.100.7 , ,\r\n", false, "198.51.100.7 10.0.0.1");
}

static void test_what_is_no_address_ends_the_chain(void **state)
{
    check(XFF "198.51.100.7, unknown\r\n", false, "10.0.0.1");
    check(XFF "198.51.100.7, _hidden, 10.1.1.1\r\n", false, "10.1.1.1 10.0.0.1");
    check(XFF "198.51.100.7, [10.1.1.1]\r\n", false, "10.0.0.1");
    check(XFF "198.51.100.7:99999\r\n", false, "10.0.0.1");
    check(XFF "198.51.100.7:\r\n", false, "10.0.0.1");
    check(XFF "[2001:db8::7\r\n", false, "10.0.0.1");
    check(XFF "[2001:db8::7]x\r\n", false, "10.0.0.1");
    check(XFF "\"198.51.100.7, 198.51.100.8\r\n", false, "10.0.0.1");
}

static void test_forwarded_is_read_as_rfc_7239_has_it(void **state)
{
    check("Forwarded: for=198.51.100.7;proto=https;host=\"door:443\", For=10.1.1.1;proto=http\r\n",
          true, "198.51.100.7 10.1.1.1 10.0.0.1");
    assert_true(str_eq(got.proto, STR("https")) && str_eq(got.host, STR("door:443")));
    check("Forwarded: by=_x; for=\"[2001:db8::7]:4711\"\r\n", true, "2001:db8::7 10.0.0.1");
    assert_true(!got.proto.p && !got.host.p);
    check("Forwarded: for=198.51.100.1, for=\"a,b;\\\"\"\r\n", true, "10.0.0.1");
    check("Forwarded: proto=https\r\n", true, "10.0.0.1");
    check("Forwarded: for=unknown;proto=https\r\n", true, "10.0.0.1");
    assert_false(got.proto.p); /* of nobody that is known */
}

static void test_only_the_field_that_they_write_counts(void **state)
{
    check("Forwarded: for=192.0.2.66\r\n", false, "10.0.0.1");
    check(XFF "192.0.2.66\r\nForwarded: for=198.51.100.7\r\n", true, "198.51.100.7 10.0.0.1");
    check(XFF "198.51.100.7\r\nForwarded: for=192.0.2.66;proto=https\r\n", false,
          "198.51.100.7 10.0.0.1");
    assert_false(got.proto.p);
}

static void test_the_door_is_one_value_of_the_right_form(void **state)
{
    check("X-Forwarded-Proto: HTTPS\r\nX-Forwarded-Host: door.example:8443\r\nX-Forwarded-Prefix: "
          "/v\r\n",
          false, "10.0.0.1");
    assert_true(str_eq(got.proto, STR("https")) && str_eq(got.host, STR("door.example:8443")) &&
                str_eq(got.prefix, STR("/v")));
    check("X-Forwarded-Proto: gopher\r\nX-Forwarded-Host: a\"b\r\nX-Forwarded-Prefix: v\r\n", false,
          "10.0.0.1");
    assert_true(!got.proto.p && !got.host.p && !got.prefix.p);
    check("X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: a, b\r\n",
          false, "10.0.0.1");
    assert_true(!got.proto.p && !got.host.p);
}

static void test_a_chain_has_a_bound(void **state)
{
    char lines[1024];
    struct out o;
    out_init(&o, lines, sizeof lines - 1);
    OUT(&o, XFF "198.51.100.7");
    for (int i = 0; i < 40; i++)
        out_fmt(&o, ", 10.1.1.%d", i);
    OUT(&o, "\r\n");
    lines[o.n] = 0;
    check(
        lines, false,
        "10.1.1.25 10.1.1.26 10.1.1.27 10.1.1.28 10.1.1.29 10.1.1.30 10.1.1.31 10.1.1.32 10.1.1.33 "
        "10.1.1.34 10.1.1.35 10.1.1.36 10.1.1.37 10.1.1.38 10.1.1.39 10.0.0.1");
    assert_int_equal(got.n, PROXY_FORWARDED_MAX);
}

static size_t n_dropped(void)
{
    size_t n = 0;
    for (size_t i = 0; i < head.n_fields; i++)
        n += head.fields[i].drop;
    return n;
}

static void test_what_speaks_of_who_forwarded_is_dropped(void **state)
{
    check(XFF
          "a\r\nX-FORWARDED-PORT: 1\r\nx-forwarded-anything: 1\r\nForwarded: for=a\r\nX-Forwarded: "
          "1\r\n"
          "X-Forwarded-Proto: a\r\nX-Forwarded-Host: a\r\nX-Forwarded-Prefix: a\r\nX-Other: 1\r\n",
          false, "10.0.0.1");
    proxy_forwarded_drop(&head, true);
    assert_int_equal(n_dropped(), 5);
    proxy_forwarded_drop(&head, false);
    assert_int_equal(n_dropped(), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_address_that_is_no_proxys_is_the_client),
        cmocka_unit_test(test_what_a_client_wrote_before_it_does_not_count),
        cmocka_unit_test(test_an_address_may_have_brackets_and_a_port),
        cmocka_unit_test(test_what_is_no_address_ends_the_chain),
        cmocka_unit_test(test_forwarded_is_read_as_rfc_7239_has_it),
        cmocka_unit_test(test_only_the_field_that_they_write_counts),
        cmocka_unit_test(test_the_door_is_one_value_of_the_right_form),
        cmocka_unit_test(test_a_chain_has_a_bound),
        cmocka_unit_test(test_what_speaks_of_who_forwarded_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
