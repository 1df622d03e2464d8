/* Diagnostics and the table of errors. */
#include "unit.h"
#include "base/diag.h"
#include "base/err.h"
#include "base/utf8.h"

#include <limits.h>

static void test_first_error_stays(void **state)
{
    struct diag d = {0};
    assert_int_equal(diag_at(&d, ERR_INVALID, 3, 2, "bad %s", "thing"), ERR_INVALID);
    diag_hint(&d, "do %d", 1);
    assert_int_equal(diag_set(&d, ERR_SYSTEM, "another"), ERR_SYSTEM);
    diag_hint(&d, "do something else");
    assert_int_equal(diag_at(&d, ERR_SYSTEM, 9, 9, "a third"), ERR_SYSTEM);
    diag_hint(&d, "do nothing");
    assert_int_equal(d.code, ERR_INVALID);
    assert_int_equal(d.offset, 3);
    assert_int_equal(d.length, 2);
    assert_string_equal(d.message, "bad thing");
    assert_string_equal(d.hint, "do 1");
}

/* An error without a hint does not get the hint of one that was not taken. */
static void test_hint_belongs_to_its_error(void **state)
{
    struct diag d = {0};
    diag_set(&d, ERR_INVALID, "first");
    diag_set(&d, ERR_SYSTEM, "second");
    diag_hint(&d, "for the second");
    assert_string_equal(d.hint, "");
}

static void test_absent_diag(void **state)
{
    assert_int_equal(diag_set(NULL, ERR_INVALID, "x"), ERR_INVALID);
    assert_int_equal(diag_at(NULL, ERR_LIMIT, 1, 1, "x"), ERR_LIMIT);
    diag_hint(NULL, "x");
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    static char text[1000];
    for (size_t i = 0; i + 3 <= sizeof text - 1; i += 3)
        memcpy(text + i, "\xe2\x82\xac", 3);
    for (int lead = 0; lead < 3; lead++) {
        struct diag d = {0};
        diag_set(&d, ERR_INVALID, "%*s%s", lead, "", text);
        diag_hint(&d, "%*s%s", lead, "", text);
        assert_true(strlen(d.message) > sizeof d.message - 4);
        assert_true(strlen(d.hint) > sizeof d.hint - 4);
        assert_true(utf8_is_valid(str_of(d.message)));
        assert_true(utf8_is_valid(str_of(d.hint)));
    }
}

static void draw(const char *text, size_t offset, size_t length, const char *want)
{
    char memory[2000];
    struct out o;
    struct diag d = {.offset = offset, .length = length};
    out_init(&o, memory, sizeof memory - 1);
    diag_caret(&d, str_of(text), &o);
    assert_false(o.overflowed);
    memory[o.n] = 0;
    assert_string_equal(memory, want);
}

static void test_caret(void **state)
{
    draw("abc", 0, 1, "abc\n^");
    draw("abc", 1, 2, "abc\n ^~");
    draw("abc", 1, 0, "abc\n ^");
    draw("abc", 3, 0, "abc\n   ^");
    draw("abc", 99, 5, "abc\n   ^"); /* outside: at the end */
    draw("abc", 2, 99, "abc\n  ^");  /* no longer than the line */
    draw("", 0, 0, "\n^");
    draw("one\ntwo\nthree", 5, 2, "two\n ^~");
    draw("one\ntwo\nthree", 3, 1, "one\n   ^"); /* the line feed itself */
    draw("one\ntwo\nthree", 2, 5, "one\n  ^");
    draw("one\n", 4, 0, "\n^");
    draw("\xc3\xa9\xc3\xa9 x", 5, 1, "éé x\n   ^"); /* characters are columns, not bytes */
    draw("a\xc3\xa9z", 1, 3, "aéz\n ^~");
    draw("a\tb\x01\xff", 4, 1, "a?b??\n    ^");
}

/* Long lines are cut around the place, which stays over the caret. */
static void test_caret_in_long_lines(void **state)
{
    static char text[1001];
    for (size_t at = 0; at < 1000; at++) {
        char memory[2000];
        struct out o;
        struct diag d = {.offset = at, .length = 3};
        memset(text, '.', 1000);
        text[at] = 'X';
        out_init(&o, memory, sizeof memory);
        diag_caret(&d, (struct str){text, 1000}, &o);
        struct str drawing = out_get(&o), line;
        assert_true(str_split(&drawing, '\n', &line));
        size_t caret = (size_t)str_find(drawing, '^'), column = 0;
        for (struct str rest = line; rest.n && rest.p[0] != 'X'; column++)
            rest = str_from(rest, utf8_length(rest));
        assert_int_equal(caret, column);
        assert_true(line.n <= 160 + 2 * strlen("…"));
    }
}

static void test_table_of_errors(void **state)
{
    for (int i = 1; i < ERR_INDEX_COUNT; i++) {
        assert_true(err_name(-i)[0] && err_text(-i)[0]);
        assert_int_not_equal(err_text(-i)[strlen(err_text(-i)) - 1], '.');
        assert_true(err_status(-i) >= 400 && err_status(-i) <= 599);
        for (int k = 1; k < i; k++)
            assert_string_not_equal(err_name(-i), err_name(-k));
        for (const char *c = err_name(-i); *c; c++)
            assert_true((*c >= 'a' && *c <= 'z') || *c == '-'); /* it goes into a header */
    }
    assert_string_equal(err_name(0), "ok");
    assert_string_equal(err_name(ERR_SCOPE_MIXED), "scope-mixed");
    assert_int_equal(err_status(ERR_SCOPE_MIXED), 400);
    assert_int_equal(err_status(ERR_SCOPE_UNSUPPORTED), 501);
    assert_true(err_is_retryable(ERR_NO_MEMORY));
    assert_false(err_is_retryable(ERR_SCOPE_MIXED));
    static const int strangers[] = {1, INT_MAX, INT_MIN, -ERR_INDEX_COUNT};
    for (size_t i = 0; i < COUNT_OF(strangers); i++) {
        assert_string_equal(err_name(strangers[i]), "unknown");
        assert_int_equal(err_status(strangers[i]), 500);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_error_stays),
        cmocka_unit_test(test_hint_belongs_to_its_error),
        cmocka_unit_test(test_absent_diag),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
        cmocka_unit_test(test_caret),
        cmocka_unit_test(test_caret_in_long_lines),
        cmocka_unit_test(test_table_of_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
