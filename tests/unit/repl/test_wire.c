/* Numbers and strings as bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/check.h"
#include "repl/wire.h"

static const uint64_t numbers[] = {
    0, 1, 127, 128, 16383, 16384, 1 << 21, UINT32_MAX, UINT64_C(1) << 63, UINT64_MAX};

static void test_what_is_written_is_read(void **state)
{
    char memory[300];
    struct out o;
    out_init(&o, memory, sizeof memory);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        repl_put_u64(&o, numbers[i]);
    repl_put_str(&o, STR("Nantes"));
    repl_put_str(&o, STR(""));
    repl_put_u64(&o, 1);
    assert_false(o.overflowed);
    struct repl_reader in = {.rest = out_get(&o)};
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        assert_int_equal(repl_get_u64(&in), numbers[i]);
    assert_true(str_eq(repl_get_str(&in), STR("Nantes")));
    assert_false(repl_get_end(&in));
    assert_int_equal(repl_get_str(&in).n, 0);
    assert_true(repl_get_bool(&in));
    assert_true(repl_get_end(&in));
}

static void test_what_ends_early_is_bad(void **state)
{
    char memory[64];
    struct out o;
    out_init(&o, memory, sizeof memory);
    repl_put_u64(&o, UINT64_MAX);
    repl_put_str(&o, STR("Paris"));
    for (size_t n = 0; n < o.n; n++) {
        struct repl_reader in = {.rest = {memory, n}};
        repl_get_u64(&in);
        repl_get_str(&in);
        assert_true(in.is_bad);
        assert_false(repl_get_end(&in));
        assert_int_equal(repl_get_u64(&in), 0); /* and so is all that follows */
        assert_null(repl_get_str(&in).p);
    }
}

static void test_nonsense_is_bad(void **state)
{
    static const struct str bad[] = {
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10}, /* a number over 64 bits */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11},
        {"\x80", 1},
        {"", 0},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct repl_reader in = {.rest = bad[i]};
        assert_int_equal(repl_get_u64(&in), 0);
        assert_true(in.is_bad);
    }
    struct repl_reader flag = {.rest = {"\x02", 1}};
    assert_false(repl_get_bool(&flag));
    assert_true(flag.is_bad);
    struct repl_reader most = {.rest = {"\x09\x08", 2}};
    assert_int_equal(repl_get_max(&most, 9), 9);
    assert_int_equal(repl_get_max(&most, 7), 0);
    assert_true(most.is_bad);
    struct repl_reader text = {.rest = {"\x05"
                                        "abcd",
                                        5}}; /* a byte too few */
    assert_null(repl_get_str(&text).p);
    assert_true(text.is_bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written_is_read),
        cmocka_unit_test(test_what_ends_early_is_bad),
        cmocka_unit_test(test_nonsense_is_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
