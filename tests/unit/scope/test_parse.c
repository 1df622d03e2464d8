/* The tree that a text becomes: shape, places, options; and what it costs in memory. */
#include "scope_test.h"

static const struct scope_loc *operand(const struct scope_loc *l, int i)
{
    l = l->first;
    while (i-- && l)
        l = l->next;
    assert_non_null(l);
    return l;
}

static void test_tree(void **state)
{
    struct parsed p;
    parse(&p, "{s: (A ; B) & here & around(C, 15ms), *: *}");
    assert_int_equal(p.rc, 0);
    const struct scope_binding *b = p.scope->bindings;
    assert_str(b->key, "s");
    assert_false(b->is_any);
    assert_int_equal(b->loc->kind, SCOPE_REPLICA);
    assert_int_equal(operand(b->loc, 0)->kind, SCOPE_OTHERWISE);
    assert_str(operand(operand(b->loc, 0), 1)->name, "B");
    assert_null(operand(operand(b->loc, 0), 1)->next);
    assert_int_equal(operand(b->loc, 1)->kind, SCOPE_HERE);
    const struct scope_loc *around = operand(b->loc, 2);
    assert_int_equal(around->kind, SCOPE_AROUND);
    assert_str(around->name, "C");
    assert_int_equal(around->duration.us, 15000);
    assert_str(around->duration.text, "15ms");
    assert_null(around->next);
    b = b->next;
    assert_true(b->is_any);
    assert_null(b->key.p);
    assert_int_equal(b->loc->kind, SCOPE_ALL);
    assert_null(b->next);
    parse_fini(&p);
}

static void test_chains_are_flat(void **state)
{
    static const struct {
        const char *text;
        enum scope_loc_kind kind;
    } rows[] = {
        {"A & (B & C) & D", SCOPE_REPLICA},      {"(A & B) & (C & D)", SCOPE_REPLICA},
        {"A % (B % (C % D))", SCOPE_CROSS},      {"((A ; B) ; C) ; D", SCOPE_OTHERWISE},
        {"A | (B || (C ; D))", SCOPE_OTHERWISE}, {"A & \"B & \\\"C & D\\\"\"", SCOPE_REPLICA},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct parsed p;
        parse(&p, rows[i].text);
        assert_int_equal(p.rc, 0);
        const struct scope_loc *l = p.scope->bindings->loc;
        assert_int_equal(l->kind, rows[i].kind);
        for (int k = 0; k < 4; k++) {
            assert_int_equal(operand(l, k)->kind, SCOPE_SITE);
            assert_int_equal(operand(l, k)->name.p[0], 'A' + k);
        }
        assert_null(operand(l, 3)->next);
        parse_fini(&p);
    }
}

static void test_places(void **state)
{
    struct parsed p;
    parse(&p, "{ s: (Aa) ; \"B & C\", (Dd), \"k\": around(E, 1s) }");
    assert_int_equal(p.rc, 0);
    const struct scope_binding *b = p.scope->bindings;
    assert_int_equal(b->offset, 2);
    assert_int_equal(b->length, 1);
    assert_int_equal(b->loc_offset, 5);
    assert_int_equal(b->loc_length, 14);
    assert_int_equal(operand(b->loc, 0)->offset, 6);
    assert_int_equal(operand(b->loc, 0)->length, 2);
    assert_int_equal(operand(operand(b->loc, 1), 1)->offset, 12);
    assert_int_equal(operand(operand(b->loc, 1), 1)->length, 7);
    b = b->next;
    assert_int_equal(b->offset, 21);
    assert_int_equal(b->length, 4);
    assert_int_equal(b->loc->offset, 22);
    b = b->next;
    assert_int_equal(b->offset, 27);
    assert_int_equal(b->length, 3);
    assert_int_equal(b->loc_offset, 32);
    assert_int_equal(b->loc_length, 13);
    assert_int_equal(b->loc->offset, 39);
    assert_int_equal(b->loc->length, 1);
    parse_fini(&p);
}

static void test_options(void **state)
{
    struct parsed p;
    parse(&p,
          "{missing: fail, timeout: 007s, consistency: strong, wait: majority, prime: B, s: A%B}");
    assert_int_equal(p.rc, 0);
    assert_str(p.scope->prime, "B");
    assert_int_equal(p.scope->prime_offset, 75);
    assert_int_equal(p.scope->wait, SCOPE_WAIT_MAJORITY);
    assert_int_equal(p.scope->consistency, SCOPE_STRONG);
    assert_int_equal(p.scope->missing, SCOPE_MISSING_FAIL);
    assert_int_equal(p.scope->timeout.us, 7000000);
    assert_str(p.form, "{s: A % B, prime: B, wait: majority, consistency: strong, timeout: 007s, "
                       "missing: fail}");
    parse_fini(&p);
    parse(&p, "{wait: one, consistency: eventual, missing: partial}");
    assert_int_equal(p.scope->wait, SCOPE_WAIT_ONE);
    assert_int_equal(p.scope->consistency, SCOPE_EVENTUAL);
    assert_int_equal(p.scope->missing, SCOPE_MISSING_PARTIAL);
    assert_null(p.scope->prime.p);
    assert_null(p.scope->timeout.text.p);
    parse_fini(&p);
    parse(&p, "{}");
    assert_int_equal(p.scope->wait, SCOPE_WAIT_UNSET);
    assert_int_equal(p.scope->missing, SCOPE_MISSING_UNSET);
    assert_null(p.scope->bindings);
    parse_fini(&p);
}

/* Texts and their canonical forms, beside those of the worked examples. */
static void test_forms(void **state)
{
    static const char *const rows[][2] = {
        {" { } ", "{}"},
        {"\t{\r\ns\n:\nA\n}\n", "{s: A}"},
        {"wait: all", "{wait: all}"},
        {"{around:here,10ms}", "{around(here, 10ms)}"},
        {"{s: A, around: B, 0s, t: C}", "{s: A, around(B, 0s), t: C}"},
        {"{\"\": A}", "{\"\": A}"},
        {"{\"around\": A, \"wait\": B}", "{\"around\": A, \"wait\": B}"},
        {"{\"here\": A}", "{here: A}"},
        {"{\"\\u0061\\/\\n\": A}", "{\"a/\\n\": A}"},
        {"{\"\\ud83d\\ude80\": A}", "{\"\xf0\x9f\x9a\x80\": A}"},
        {"{\"\\u0000\": A}", "{\"\\u0000\": A}"},
        {"{\"-a\": A}", "{\"-a\": A}"},
        {"{compute.server: A}", "{compute.server: A}"},
        {"{prime}", "{prime}"},
        {"{s: around ; around(around, 1s)}", "{s: around ; around(around, 1s)}"},
        {"{s: \"here\", t: \"*\", u: \"around(here, 5us)\"}",
         "{s: here, t: *, u: around(here, 5us)}"},
        {"\"A\"", "{A}"},
        {"\"A & B\", s: C", "{A & B, s: C}"},
        {"{s: (*)}", "{s: *}"},
        {"{s: (A & B ; C) % D}", "{s: (A & B ; C) % D}"},
        {"{s: A ; A}", "{s: A ; A}"},
        {"{s: A & B ; B & A}", "{s: A & B ; B & A}"},
        {"{s: around(A, 1s) & around(A, 1s)}", "{s: around(A, 1s) & around(A, 1s)}"},
        {"{timeout: 3600s}", "{timeout: 3600s}"},
        {"{timeout: 3600000000us}", "{timeout: 3600000000us}"},
        {"{s: 10ms, 10ms: s}", "{s: 10ms, 10ms: s}"},
        {"{prime: A, \"prime\": A % B}", "{\"prime\": A % B, prime: A}"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct parsed p;
        parse(&p, rows[i][0]);
        assert_string_equal(p.diag.message, "");
        assert_int_equal(p.rc, 0);
        assert_str(p.form, rows[i][1]);
        parse_fini(&p);
    }
}

/* Nothing of the tree points into the text. */
static void test_text_is_not_borrowed(void **state)
{
    char text[] = "{\"k y\": A & \"B\", prime: C, t: C % D, timeout: 5s}", form[200];
    struct parsed p;
    struct out o;
    parse(&p, text);
    assert_int_equal(p.rc, 0);
    memset(text, 'x', sizeof text);
    out_init(&o, form, sizeof form);
    scope_print(p.scope, &o);
    assert_str(out_get(&o), "{\"k y\": A & B, t: C % D, prime: C, timeout: 5s}");
    parse_fini(&p);
}

/* Every cap gives the answer or ERR_NO_MEMORY, and from some cap on the answer. */
static void sweep(struct str text, int want)
{
    bool was_enough = false;
    size_t cap = 0;
    for (; cap < ENOUGH && !(was_enough && cap % 64 == 0); cap++) {
        struct parsed p;
        parse_capped(&p, text, cap);
        bool is_enough = p.rc == want;
        assert_true(is_enough || p.rc == ERR_NO_MEMORY);
        assert_true(is_enough || !was_enough);
        assert_int_equal(p.diag.code, p.rc);
        was_enough = is_enough;
        parse_fini(&p);
    }
    assert_true(was_enough);
}

static void test_cap_sweep(void **state)
{
    sweep(STR("{s: A & B, t: (C ; here) % around(D, 5ms), \"x y\": \"A & \\\"B\\\"\", wait: all}"),
          0);
    sweep(STR("{around: A, 1s, prime: B, *: B % C}"), 0);
    sweep(STR("{s: A & B % C ; D}"), ERR_SCOPE_MIXED);
    sweep(STR("{s: \"A &\"}"), ERR_SCOPE_SYNTAX);
    sweep(STR("{\"a rather long key that does not fit into the smallest of arenas, not even "
              "when it stands alone, because it is longer than what an arena gives to those who "
              "only write, and then its content must not be written at all; so it goes on for a "
              "while, until it is over\": A}"),
          0);
}

/* SCOPE_MEMORY is enough: the dearest texts have all locations, and as many operators or keys as
 * there can be. */
static void test_enough_memory(void **state)
{
    static char text[SCOPE_MAX_BYTES];
    struct parsed p;
    struct out o;
    out_init(&o, text, sizeof text);
    for (int i = 1; i < SCOPE_MAX_NESTING; i++)
        OUT(&o, "(");
    OUT(&o, "A");
    for (int i = 0; i < 31; i++)
        out_fmt(&o, "%s ; B & C", i < SCOPE_MAX_NESTING - 1 ? ")" : "");
    while (o.n < sizeof text)
        out_char(&o, ' ');
    parse_capped(&p, out_get(&o), SCOPE_MEMORY);
    assert_int_equal(p.rc, 0);
    parse_fini(&p);
    out_init(&o, text, sizeof text);
    for (int i = 0; i <= SCOPE_MAX_LOCATIONS; i++)
        out_fmt(&o, "\"a key of some length, of which there are %d\":A,", i);
    parse_capped(&p, out_get(&o), SCOPE_MEMORY);
    assert_int_equal(p.rc, ERR_SCOPE_LIMIT); /* at the last location, so all others were made */
    assert_int_equal(p.diag.offset, o.n - 2);
    parse_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),      cmocka_unit_test(test_chains_are_flat),
        cmocka_unit_test(test_places),    cmocka_unit_test(test_options),
        cmocka_unit_test(test_forms),     cmocka_unit_test(test_text_is_not_borrowed),
        cmocka_unit_test(test_cap_sweep), cmocka_unit_test(test_enough_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
