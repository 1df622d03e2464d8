/* tests/golden/scope.json: worked examples of the language, each with its canonical form or with
 * the code and the offset of its error. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>

#include "scope/scope.h"

static int check_good(struct str text, json_t *row)
{
    struct arena arena;
    struct diag d = {0};
    struct scope *s = NULL;
    char form[SCOPE_MAX_BYTES];
    struct out o;
    out_init(&o, form, sizeof form);
    arena_init(&arena, NULL, 0, SCOPE_MEMORY);
    int rc = scope_parse(text, &arena, &s, &d);
    if (rc == 0)
        scope_print(s, &o);
    arena_fini(&arena);
    struct str want = str_of(json_string_value(json_object_get(row, "canonical")));
    if (rc == 0 && str_eq(out_get(&o), want))
        return 0;
    fprintf(stderr, "%.*s\n  gives %.*s, %s at %zu: %s\n  not %.*s\n", STR_ARG(text),
            STR_ARG(out_get(&o)), err_name(rc), d.offset, d.message, STR_ARG(want));
    return 1;
}

static int check_bad(struct str text, json_t *row)
{
    struct arena arena;
    struct diag d = {0};
    struct scope *s = NULL;
    arena_init(&arena, NULL, 0, SCOPE_MEMORY);
    int rc = scope_parse(text, &arena, &s, &d);
    arena_fini(&arena);
    struct str code = str_of(json_string_value(json_object_get(row, "code")));
    size_t offset = (size_t)json_integer_value(json_object_get(row, "offset"));
    if (rc == d.code && str_eq(str_of(err_name(rc)), code) && d.offset == offset)
        return 0;
    fprintf(stderr, "%.*s\n  gives %s at %zu: %s\n  not %.*s at %zu\n", STR_ARG(text), err_name(rc),
            d.offset, d.message, STR_ARG(code), offset);
    return 1;
}

static void test_worked_examples(void **state)
{
    json_error_t error;
    json_t *rows = json_load_file(GOLDEN_DIR "/scope.json", 0, &error), *row;
    size_t i;
    int wrong = 0;
    assert_non_null(rows);
    assert_true(json_array_size(rows) >= 79);
    json_array_foreach(rows, i, row)
    {
        json_t *text = json_object_get(row, "text");
        struct str s = {json_string_value(text), json_string_length(text)};
        wrong += json_is_true(json_object_get(row, "ok")) ? check_good(s, row) : check_bad(s, row);
    }
    json_decref(rows);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_worked_examples)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
