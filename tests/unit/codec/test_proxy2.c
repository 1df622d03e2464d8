/* The header of the PROXY protocol: every kind, every cut, every wrong byte in the fixed part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/proxy2.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        SIGNATURE "\x21\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x30\x39\x01\xbb"

static long parse(const char *bytes, size_t n, struct proxy2 *p)
{
    const char *why = NULL;
    long rc = proxy2_parse((struct str){bytes, n}, p, &why);
    assert_true(rc >= 0 || why);
    return rc;
}
#define PARSE(text, p) parse(text, sizeof(text) - 1, p)

static void an_ipv4_client_is_read(void **state)
{
    struct proxy2 p;
    assert_int_equal(PARSE(V4 "GET /", &p), 28);
    assert_int_equal(p.n_source, 4);
    assert_memory_equal(p.source, "\xc0\0\x02\x01", 4);
}

static void an_ipv6_client_is_read_and_more_is_skipped(void **state)
{
    struct proxy2 p;
    assert_int_equal(PARSE(SIGNATURE "\x21\x21\0\x28\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
                                     "dddddddddddddddd\0\1\0\2\x03\0\x01x",
                           &p),
                     16 + 40);
    assert_int_equal(p.n_source, 16);
    assert_memory_equal(p.source, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07", 16);
}

static void who_is_not_named_is_who_connects(void **state)
{
    static char unix_stream[16 + 216] = SIGNATURE "\x21\x31\0\xd8";
    struct proxy2 p;
    assert_int_equal(PARSE(SIGNATURE "\x20\x00\0\0", &p), 16); /* a check of the proxy's own */
    assert_int_equal(p.n_source, 0);
    assert_int_equal(
        PARSE(SIGNATURE "\x20\x11\0\x0c\xc0\0\x02\x01\xc6\x33\x64\x01\x30\x39\x01\xbb", &p), 28);
    assert_int_equal(p.n_source, 0);
    assert_int_equal(PARSE(SIGNATURE "\x21\x00\0\x02xx", &p), 18);
    assert_int_equal(p.n_source, 0);
    assert_int_equal(parse(unix_stream, sizeof unix_stream, &p), sizeof unix_stream);
    assert_int_equal(p.n_source, 0);
}

static void a_header_is_waited_for(void **state)
{
    struct proxy2 p;
    for (size_t n = 0; n < sizeof(V4) - 1; n++)
        assert_int_equal(parse(V4, n, &p), 0);
}

static void every_wrong_byte_of_the_fixed_part_is_refused(void **state)
{
    for (size_t at = 0; at < 14; at++)
        for (unsigned byte = 0; byte < 256; byte++) {
            char bytes[] = V4;
            struct proxy2 p;
            bool is_other_kind = at == 13 && (byte == 0x00 || byte == 0x21 || byte == 0x31);
            if ((unsigned char)bytes[at] == byte || is_other_kind || (at == 12 && byte == 0x20) ||
                (at == 0 && byte == 'P'))
                continue;
            bytes[at] = (char)byte;
            assert_int_equal(parse(bytes, sizeof bytes - 1, &p), ERR_BAD_REQUEST);
        }
}

static void lengths_have_a_bound(void **state)
{
    static char longest[PROXY2_MAX] = SIGNATURE "\x21\x11\x07\xf0";
    struct proxy2 p;
    assert_int_equal(parse(longest, sizeof longest, &p), PROXY2_MAX);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\x07\xf1", &p), ERR_BAD_REQUEST);
    assert_int_equal(PARSE(SIGNATURE "\x20\x00\xff\xff", &p), ERR_BAD_REQUEST);
    assert_int_equal(PARSE(SIGNATURE "\x21\x11\0\x0b", &p),
                     ERR_BAD_REQUEST); /* too short for two addresses */
    assert_int_equal(PARSE(SIGNATURE "\x21\x21\0\x23", &p), ERR_BAD_REQUEST);
}

static void what_else_comes_is_refused_with_a_reason(void **state)
{
    const char *why = NULL;
    struct proxy2 p;
    assert_int_equal(proxy2_parse(STR("PROXY TCP4 192.0.2.1"), &p, &why), ERR_BAD_REQUEST);
    assert_non_null(strstr(why, "version 1"));
    assert_int_equal(PARSE("PROX", &p), 0);
    assert_int_equal(PARSE("PROPFIND / HTTP/1.1\r\n", &p), ERR_BAD_REQUEST);
    assert_int_equal(PARSE("GET / HTTP/1.1\r\n", &p), ERR_BAD_REQUEST);
    assert_int_equal(PARSE("\x16\x03\x01", &p), ERR_BAD_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ipv4_client_is_read),
        cmocka_unit_test(an_ipv6_client_is_read_and_more_is_skipped),
        cmocka_unit_test(who_is_not_named_is_who_connects),
        cmocka_unit_test(a_header_is_waited_for),
        cmocka_unit_test(every_wrong_byte_of_the_fixed_part_is_refused),
        cmocka_unit_test(lengths_have_a_bound),
        cmocka_unit_test(what_else_comes_is_refused_with_a_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
