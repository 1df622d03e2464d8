/* The writer, JSON strings, and UTF-8. */
#include "unit.h"
#include "base/out.h"
#include "base/utf8.h"

#include <stdio.h>

/* Runs the statement with a writer of every size up to `full`; what fits is a beginning of the
 * whole, and only the full size does not overflow. */
#define CHECK_ALL_SIZES(o, statement, whole)                                                       \
    do {                                                                                           \
        char memory_[300];                                                                         \
        for (size_t cap_ = 0; cap_ <= (whole).n; cap_++) {                                         \
            struct out o##_;                                                                       \
            struct out *o = &o##_;                                                                 \
            memset(memory_, '#', sizeof memory_);                                                  \
            out_init(o, memory_, cap_);                                                            \
            statement;                                                                             \
            assert_true(o->n <= cap_);                                                             \
            assert_int_equal(o->overflowed, cap_ < (whole).n);                                     \
            assert_true(str_starts(whole, out_get(o)));                                            \
            assert_int_equal(memory_[cap_], '#');                                                  \
        }                                                                                          \
    } while (0)

static void test_numbers(void **state)
{
    char memory[200];
    struct out o;
    out_init(&o, memory, sizeof memory);
    out_u64(&o, 0), OUT(&o, " "), out_u64(&o, 10), OUT(&o, " "), out_u64(&o, UINT64_MAX);
    assert_str(out_get(&o), "0 10 18446744073709551615");
    out_init(&o, memory, sizeof memory);
    out_hex(&o, 0), OUT(&o, " "), out_hex(&o, 0xabc), OUT(&o, " "), out_hex(&o, UINT64_MAX);
    assert_str(out_get(&o), "0 abc ffffffffffffffff");
    for (int digit = 0; digit < 16; digit++)
        for (int place = 0; place < 16; place++) {
            uint64_t v = (uint64_t)digit << (4 * place);
            char wanted[17];
            (void)snprintf(wanted, sizeof wanted, "%016llx", (unsigned long long)v);
            out_init(&o, memory, sizeof memory);
            out_hex64(&o, v);
            assert_memory_equal(out_get(&o).p, wanted, 16);
        }
}

static void test_every_size(void **state)
{
    struct str all = STR("site Nantes:7 <{\"k\\n\":1}>");
    CHECK_ALL_SIZES(
        o,
        {
            OUT(o, "site ");
            out_str(o, STR("Nantes"));
            out_char(o, ':');
            out_u64(o, 7);
            OUT(o, " <{");
            out_json(o, STR("k\n"));
            OUT(o, ":1}>");
        },
        all);
}

/* After an overflow nothing more is written, even if it would fit. */
static void test_overflow_is_for_good(void **state)
{
    char memory[4];
    struct out o;
    out_init(&o, memory, sizeof memory);
    OUT(&o, "ab");
    OUT(&o, "cde");
    assert_true(o.overflowed);
    OUT(&o, "c");
    out_fmt(&o, "c");
    out_str(&o, STR_NULL);
    assert_str(out_get(&o), "ab");
    out_init(&o, NULL, 0);
    out_str(&o, STR_NULL);
    assert_false(o.overflowed);
    out_char(&o, 'x');
    assert_true(o.overflowed);
}

/* out_fmt needs one byte more than it writes. */
static void test_format(void **state)
{
    char memory[8];
    for (size_t cap = 0; cap < sizeof memory; cap++) {
        struct out o;
        out_init(&o, memory, cap);
        out_fmt(&o, "%d-%s", 42, "ab");
        assert_int_equal(o.overflowed, cap < 6);
        assert_int_equal(o.n, cap < 6 ? 0 : 5);
    }
}

static void test_json(void **state)
{
    static const struct {
        struct str text;
        const char *json;
    } rows[] = {
        {{NULL, 0}, "\"\""},
        {{"plain", 5}, "\"plain\""},
        {{"\"\\/", 3}, "\"\\\"\\\\/\""},
        {{"\n\r\t\b\f\v", 6}, "\"\\n\\r\\t\\u0008\\u000c\\u000b\""},
        {{"\0\x1f\x7f", 3}, "\"\\u0000\\u001f\\u007f\""},
        {{"\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\x80", 9}, "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\x80\""},
        {{"a\xff\x62", 3}, "\"a\xef\xbf\xbd\x62\""},
        {{"\xe2\x82", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* cut off */
        {{"\xc0\x80", 2}, "\"\xef\xbf\xbd\xef\xbf\xbd\""},                 /* overlong */
        {{"\xed\xa0\x80", 3}, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""}, /* surrogate */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char memory[200];
        struct out o;
        out_init(&o, memory, sizeof memory);
        out_json(&o, rows[i].text);
        assert_true(str_eq(out_get(&o), str_of(rows[i].json)));
    }
}

static void test_visible(void **state)
{
    static const struct {
        struct str text;
        size_t limit;
        const char *shown;
    } rows[] = {
        {{"Nantes", 6}, 6, "Nantes"},
        {{"Nantes", 6}, 5, "Nante…"},
        {{"\xc3\xa9tude", 6}, 5, "étude"},
        {{"\xc3\xa9tude", 6}, 1, "é…"},
        {{"a\x1b[0m\n", 6}, 9, "a?[0m?"},
        {{"\x7f\xff\0", 3}, 9, "???"},
        {{"\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", 8}, 9, "???\xc2\xa0"},
        {{"x", 1}, 0, "…"},
        {{NULL, 0}, 0, ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char memory[100];
        struct out o;
        out_init(&o, memory, sizeof memory);
        out_visible(&o, rows[i].text, rows[i].limit);
        assert_true(str_eq(out_get(&o), str_of(rows[i].shown)));
    }
}

/* Every code point there and back, and nothing but these. */
static void test_utf8_every_character(void **state)
{
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char text[4];
        if (code >= 0xd800 && code <= 0xdfff)
            continue;
        size_t n = utf8_encode(code, text);
        assert_int_equal(n, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
        assert_int_equal(utf8_length((struct str){text, n}), n);
        if (n > 1)
            assert_int_equal(utf8_length((struct str){text, n - 1}), 0);
        uint32_t bits = (unsigned char)text[0] & (n == 1 ? 0x7f : 0x7f >> n);
        for (size_t i = 1; i < n; i++)
            bits = bits << 6 | ((unsigned char)text[i] & 0x3f);
        assert_int_equal(bits, code);
    }
}

static void test_utf8_refuses(void **state)
{
    static const struct str bad[] = {
        {"", 0},
        {"\x80", 1}, /* begins with a following byte */
        {"\xbf\x80", 2},
        {"\xc0\xaf", 2}, /* overlong */
        {"\xc1\xbf", 2},
        {"\xe0\x9f\xbf", 3},
        {"\xf0\x8f\xbf\xbf", 4},
        {"\xed\xa0\x80", 3}, /* surrogates */
        {"\xed\xbf\xbf", 3},
        {"\xf4\x90\x80\x80", 4}, /* over U+10FFFF */
        {"\xf5\x80\x80\x80", 4},
        {"\xff", 1},
        {"\xc3", 1}, /* cut off */
        {"\xe2\x82", 2},
        {"\xf0\x9f\x9a", 3},
        {"\xc3\x28", 2}, /* followed by something else */
        {"\xe2\x82\x28", 3},
        {"\xf0\x9f\x9a\xc0", 4},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(utf8_length(bad[i]), 0);
    assert_true(utf8_is_valid(STR("")));
    assert_true(utf8_is_valid(STR("a\xc3\xa9z")));
    assert_false(utf8_is_valid(STR("a\xc3")));
    assert_false(utf8_is_valid(STR("\xffz")));
}

static void test_utf8_whole(void **state)
{
    static const struct {
        const char *text;
        size_t kept;
    } rows[] = {
        {"", 0},
        {"abc", 3},
        {"a\xc3\xa9", 3},
        {"a\xc3", 1},
        {"a\xe2\x82\xac", 4},
        {"a\xe2\x82", 1},
        {"a\xe2", 1},
        {"a\xf0\x9f\x9a\x80", 5},
        {"a\xf0\x9f\x9a", 1},
        {"\xf0\x9f", 0},
        {"\x80\x80\x80\x80", 4}, /* not cut off: it never was a character */
        {"a\x80", 2},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(utf8_whole(str_of(rows[i].text)).n, rows[i].kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_overflow_is_for_good),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_visible),
        cmocka_unit_test(test_utf8_every_character),
        cmocka_unit_test(test_utf8_refuses),
        cmocka_unit_test(test_utf8_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
