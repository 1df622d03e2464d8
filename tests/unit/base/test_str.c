#include "unit.h"
#include "base/err.h"

static void test_equality(void **state)
{
    assert_true(str_eq(STR(""), STR_NULL));
    assert_true(str_eq(STR("ab"), STR("ab")));
    assert_false(str_eq(STR("ab"), STR("abc")));
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_true(str_eq_nocase(STR("Content-Length"), STR("cONTENT-lENGTH")));
    assert_false(str_eq_nocase(STR("["), STR("{"))); /* 0x20 apart, but no letters */
    assert_false(str_eq_nocase(STR("@"), STR("`")));
    assert_false(str_eq_nocase(STR("\xc3\x89"), STR("\xc3\xa9"))); /* ASCII only */
    assert_true(str_starts(STR("abc"), STR("ab")));
    assert_true(str_starts(STR("abc"), STR("")));
    assert_true(str_starts(STR_NULL, STR_NULL));
    assert_false(str_starts(STR("ab"), STR("abc")));
}

static void test_order(void **state)
{
    static const struct str sorted[] = {{"", 0},    {"A", 1},    {"AB", 2}, {"a", 1},
                                        {"a\0", 2}, {"a\0b", 3}, {"b", 1},  {"\xff", 1}};
    for (size_t i = 0; i < COUNT_OF(sorted); i++) {
        for (size_t k = 0; k < COUNT_OF(sorted); k++) {
            int c = str_cmp(sorted[i], sorted[k]);
            assert_int_equal((c > 0) - (c < 0), (i > k) - (i < k));
        }
    }
    assert_int_equal(str_cmp(STR_NULL, STR("")), 0);
}

static void test_sub(void **state)
{
    struct str s = STR("abcdef");
    assert_str(str_sub(s, 2, 3), "cde");
    assert_str(str_sub(s, 4, 100), "ef");
    assert_str(str_sub(s, 100, 1), "");
    assert_str(str_sub(s, 0, SIZE_MAX), "abcdef");
    assert_str(str_from(s, 6), "");
    assert_ptr_equal(str_from(s, 99).p, s.p + 6);
    assert_null(str_sub(STR_NULL, 3, 3).p);
    assert_int_equal(str_of(NULL).n, 0);
}

static void test_find_and_trim(void **state)
{
    assert_int_equal(str_find(STR("a,b,c"), ','), 1);
    assert_int_equal(str_find(STR("abc"), ','), -1);
    assert_int_equal(str_find(STR("a\0b"), 0), 1);
    assert_int_equal(str_find(STR_NULL, ','), -1);
    assert_str(str_trim(STR(" \t a b\t ")), "a b");
    assert_str(str_trim(STR(" \t ")), "");
    assert_str(str_trim(STR("\na\r")), "\na\r"); /* line ends are not blanks */
    assert_int_equal(str_trim(STR_NULL).n, 0);
}

static void test_split(void **state)
{
    static const struct {
        struct str text, pieces[4];
        size_t n;
    } rows[] = {
        {{"a,bc,d", 6}, {{"a", 1}, {"bc", 2}, {"d", 1}}, 3},
        {{"a", 1}, {{"a", 1}}, 1},
        {{"", 0}, {{"", 0}}, 1},
        {{",", 1}, {{"", 0}, {"", 0}}, 2},
        {{"a,,", 3}, {{"a", 1}, {"", 0}, {"", 0}}, 3},
        {{NULL, 0}, {{NULL, 0}}, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str rest = rows[i].text, piece;
        size_t n = 0;
        for (; str_split(&rest, ',', &piece); n++) {
            assert_true(n < rows[i].n);
            assert_true(str_eq(piece, rows[i].pieces[n]));
        }
        assert_int_equal(n, rows[i].n);
    }
}

static void test_digits(void **state)
{
    static const struct {
        const char *text;
        uint64_t max, value;
        int rc;
    } rows[] = {
        {"0", 0, 0, 0},
        {"1", 0, 0, ERR_INVALID},
        {"7", 9, 7, 0},
        {"7", 6, 0, ERR_INVALID},
        {"9", 3, 0, ERR_INVALID},
        {"000000000000000000000000000042", 42, 42, 0},
        {"43", 42, 0, ERR_INVALID},
        {"18446744073709551615", UINT64_MAX, UINT64_MAX, 0},
        {"18446744073709551616", UINT64_MAX, 0, ERR_INVALID},
        {"18446744073709551620", UINT64_MAX, 0, ERR_INVALID},
        {"99999999999999999999", UINT64_MAX, 0, ERR_INVALID},
        {"184467440737095516150", UINT64_MAX, 0, ERR_INVALID},
        {"9223372036854775807", INT64_MAX, INT64_MAX, 0},
        {"9223372036854775808", INT64_MAX, 0, ERR_INVALID},
        {"", 10, 0, ERR_INVALID},
        {" 1", 10, 0, ERR_INVALID},
        {"1 ", 10, 0, ERR_INVALID},
        {"+1", 10, 0, ERR_INVALID},
        {"-1", 10, 0, ERR_INVALID},
        {"1_0", 100, 0, ERR_INVALID},
        {"0x1", 100, 0, ERR_INVALID},
        {"a", 100, 0, ERR_INVALID},
        {"/", 100, 0, ERR_INVALID},
        {":", 100, 0, ERR_INVALID},
        {"\xb2", 100, 0, ERR_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t value = 12345;
        assert_int_equal(str_digits(str_of(rows[i].text), rows[i].max, &value), rows[i].rc);
        assert_true(value == (rows[i].rc ? 12345 : rows[i].value));
    }
    uint64_t value = 12345;
    assert_int_equal(str_digits(STR("1\0"), 100, &value), ERR_INVALID);
    assert_int_equal(str_digits(STR_NULL, 100, &value), ERR_INVALID);
    assert_int_equal(value, 12345);
}

static void test_hex(void **state)
{
    static const struct {
        const char *text;
        uint64_t max, value;
        int rc;
    } rows[] = {
        {"0", 0, 0, 0},
        {"fF", 255, 255, 0},
        {"100", 255, 0, ERR_INVALID},
        {"f", 14, 0, ERR_INVALID},
        {"ffffffffffffffff", UINT64_MAX, UINT64_MAX, 0},
        {"0000ffffffffffffffff", UINT64_MAX, UINT64_MAX, 0},
        {"10000000000000000", UINT64_MAX, 0, ERR_INVALID},
        {"7fffffffffffffff", INT64_MAX, INT64_MAX, 0},
        {"8000000000000000", INT64_MAX, 0, ERR_INVALID},
        {"g", 255, 0, ERR_INVALID},
        {"@", 255, 0, ERR_INVALID},
        {"`", 255, 0, ERR_INVALID},
        {"G", 255, 0, ERR_INVALID},
        {"0x1", 255, 0, ERR_INVALID},
        {"", 255, 0, ERR_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint64_t value = 12345;
        assert_int_equal(str_hex(str_of(rows[i].text), rows[i].max, &value), rows[i].rc);
        assert_true(value == (rows[i].rc ? 12345 : rows[i].value));
    }
}

/* All numbers and all limits below 300, against the meaning. */
static void test_limits_exhaustively(void **state)
{
    for (unsigned n = 0; n < 300; n++) {
        char text[3];
        size_t length = 0;
        for (unsigned base = n < 10 ? 1 : n < 100 ? 10 : 100; base; base /= 10)
            text[length++] = (char)('0' + n / base % 10);
        for (unsigned max = 0; max < 300; max++) {
            uint64_t value = 999;
            int rc = str_digits((struct str){text, length}, max, &value);
            assert_int_equal(rc, n <= max ? 0 : ERR_INVALID);
            assert_int_equal(value, n <= max ? n : 999);
        }
    }
}

static void test_distance(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned limit, distance;
    } rows[] = {
        {"", "", 3, 0},           {"", "abc", 3, 3},        {"paris", "Paris", 3, 0},
        {"paris", "pairs", 3, 1}, {"paris", "pars", 3, 1},  {"paris", "parris", 3, 1},
        {"paris", "pxris", 3, 1}, {"paris", "apirs", 3, 2}, {"kitten", "sitting", 3, 3},
        {"abcd", "wxyz", 3, 4},   {"abcd", "wxyz", 1, 2},   {"ab", "ba", 1, 1},
        {"abc", "cab", 3, 2},     {"", "abcd", 3, 4},       {"ca", "abc", 3, 3},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct str a = str_of(rows[i].a), b = str_of(rows[i].b);
        assert_int_equal(str_distance(a, b, rows[i].limit), rows[i].distance);
        assert_int_equal(str_distance(b, a, rows[i].limit), rows[i].distance);
    }
    char z[65];
    memset(z, 'z', sizeof z);
    struct str full = {z, 64}, over = {z, 65};
    assert_int_equal(str_distance(full, full, 2), 0);
    assert_int_equal(str_distance(full, (struct str){z, 62}, 2), 2);
    assert_int_equal(str_distance(over, over, 2), 3);
    assert_int_equal(str_distance(STR("a"), over, 2), 3);
}

static void test_nearest(void **state)
{
    static const struct str sites[] = {
        {"Nantes", 6}, {"Paris", 5}, {"Parix", 5}, {"Nice", 4}, {"B", 1}};
    assert_str(str_nearest(STR("pariS"), sites, COUNT_OF(sites)), "Paris");
    assert_str(str_nearest(STR("Pariz"), sites, COUNT_OF(sites)), "Paris"); /* first of equals */
    assert_str(str_nearest(STR("Nants"), sites, COUNT_OF(sites)), "Nantes");
    assert_str(str_nearest(STR("nic"), sites, COUNT_OF(sites)), "Nice");
    assert_null(str_nearest(STR("Nixx"), sites, COUNT_OF(sites)).p); /* two of four is too far */
    assert_null(str_nearest(STR("Lyon"), sites, COUNT_OF(sites)).p);
    assert_null(str_nearest(STR("A"), sites, COUNT_OF(sites)).p); /* one of one says nothing */
    assert_str(str_nearest(STR("b"), sites, COUNT_OF(sites)), "B");
    assert_null(str_nearest(STR(""), sites, COUNT_OF(sites)).p);
    assert_null(str_nearest(STR("Paris"), sites, 0).p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equality), cmocka_unit_test(test_order),
        cmocka_unit_test(test_sub),      cmocka_unit_test(test_find_and_trim),
        cmocka_unit_test(test_split),    cmocka_unit_test(test_digits),
        cmocka_unit_test(test_hex),      cmocka_unit_test(test_limits_exhaustively),
        cmocka_unit_test(test_distance), cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
