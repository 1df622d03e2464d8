/* Every diagnostic of the language as an operator sees it, in tests/golden/scope-diagnostics.txt.
 *
 * CHEOPS_GOLDEN_WRITE=1 writes that file anew; read the difference before it is committed.
 */
#include "scope_test.h"

#define GOLDEN     GOLDEN_DIR "/scope-diagnostics.txt"
#define MAX_GOLDEN (256 * 1024)

#define A16 "((((((((((((((((A))))))))))))))))"
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define X8  "X ; X ; X ; X ; X ; X ; X ; X ; "
#define X64 X8 X8 X8 X8 X8 X8 X8 X8

static const struct {
    const char *title;
    const char *texts[24];
} groups[] = {
    {"nothing, or too much around it",
     {"", "   ", "{", "}", "{s: A", "{s: A} x", "{s: A}}", "s: A}", "{{s: A}}", "{s: {A}}"}},
    {"entries",
     {"{,}", "{s: A,,t: B}", "{s: A,", "{:A}", "{s: A t: B}", "{s: A B}", "{(A): B}", "{s: A: B}",
      "{& A}", "{s: A)}", "{s:}", "{s:,}", "s: A, , t: B"}},
    {"operators",
     {"{s: A && B}", "{s: A %% B}", "{s: A ||| B}", "{s: A ;; B}", "{s: A ; }", "{s: A & % B}",
      "{s: & A}", "{s: A &, t: B}", "{s: (A}", "{s: (A B)}", "{s: ()}", "{s: (A, B)}", "{s: A |"}},
    {"characters",
     {"{s: \xc3\xa9}", "{s: A!}", "{s: A + B}", "{s: A/B}", "{s=A}", "{s: 'A'}", "{s: [A]}",
      "{s: -A}", "{s: .A}", "{s: A\x01}", "{s: \xff}", "{s: A, t: <B>}"}},
    {"names", {A64, "{" A64 ": A}", "{s: A & " A64 "}", "{prime: " A64 "}"}},
    {"strings",
     {"{\"s", "{s: \"A", "{s: \"A &\"}", "{s: \"\"}", "{s: \"A B\"}", "{s: \"A, t: B\"}",
      "{s: \"A}\"}", "{s: \"{A}\"}", "{\"a\\q\": A}", "{\"a\\u12\": A}", "{\"\\ud800\": A}",
      "{\"\\ud800\\u0041\": A}", "{\"\\udc00\": A}", "{\"a\tb\": A}", "{\"a\xff\": A}",
      "{s: \"A & \\\"B\"}", "{s: \"A & \\\"B &\\\"\"}", "{\"\\", "{s: \"around(A, 1h)\"}"}},
    {"around",
     {"{s: around(A, 10)}", "{s: around(A & B, 10ms)}", "{s: around()}", "{s: around(A)}",
      "{s: around(*, 1s)}", "{s: around(\"A\", 1s)}", "{s: around(A, 1s}", "{s: around(A, 1s, B)}",
      "{s: around(A 1s)}", "{around: A}", "{around: A, x}", "{around: \"A\", 1s}",
      "{around: A, 1s B}"}},
    {"durations",
     {"{timeout: 2h}", "{timeout: 3601s}", "{timeout: 5}", "{timeout: fast}", "{timeout: 5 s}",
      "{timeout: \"5s\"}", "{timeout: 1.5s}", "{timeout: -5s}", "{timeout: 3600000001us}",
      "{timeout: 99999999999999999999999999s}", "{timeout:}"}},
    {"words and primes of options",
     {"{wait: most}", "{wait: majorty}", "{wait: ALL}", "{wait: \"all\"}", "{wait:}",
      "{consistency: weak}", "{consistency: stong}", "{missing: none}", "{missing: partail}",
      "{prime: \"P\"}", "{prime: *}", "{prime:}"}},
    {"limits",
     {"{s: " A16 "}", "{s: \"" A16 "\"}", "{s: " X64 "X}", "{s: " X64 "around(X, 1s)}",
      "{s: \"" X64 "X\"}"}},
    {"duplicates",
     {"{s: A, s: B}", "{s: A, \"s\": B}", "{*: A, \"*\": B}", "{A, B}", "{A, s: C, (B)}",
      "{around: A, 5ms, around: B, 5ms}", "{A, around: B, 5ms}", "{prime: A, prime: B}",
      "{wait: one, s: A, wait: one}", "{s: A, s: &}", "{s: A & A}", "{s: A % B % A}",
      "{s: here & here}", "{s: \"A & A\"}", "{s: A & (B & A)}", "{s: (A & A) % B % B}"}},
    {"mixed",
     {"{s: A & B % C ; D}", "{s: * & A}", "{s: A ; *}", "{s: (*) % A}", "{s: (A ; B % C) & D}",
      "{s: A % (B ; C % D)}", "{s: (A & B ; C) & D}", "{s: (A % B) & C}",
      "{s: A, t: \"A & B % C ; D\"}", "{(A % B) & C}", "{s: A & A, t: * & A}"}},
    {"prime",
     {"{s: A & B, prime: A}", "{s: A % B, prime: C}", "{s: Nantes % Paris, prime: Pari}",
      "{s: here % B, prime: here}", "{prime: A}", "{prime: Nantes, s: Nantes, t: A % B}"}},
    {"names that are not known",
     {"{imge: Nantes}", "{zoo: Nantes}", "{consistancy: strong}", "{\"image\": Pariss}",
      "{image: paris}", "{image: Nantes ; around(Pariss, 10ms)}", "{image: Tokyo}",
      "{image: \"Nantes & Pariss\"}", "{identity.user: A}", "{image: Nantes, imag: Paris}",
      "{image: around}"}},
};

static void put_case(struct out *o, const char *text)
{
    static const struct str services[] = {{"image", 5}, {"identity", 8}};
    static const struct str sites[] = {{"Nantes", 6}, {"Paris", 5}, {"Lyon", 4}};
    const struct scope_names names = {services, COUNT_OF(services), sites, COUNT_OF(sites)};
    struct parsed p;
    parse(&p, text);
    if (p.rc == 0)
        p.rc = scope_check_names(p.scope, &names, &p.diag);
    assert_int_equal(p.rc, p.diag.code);
    out_json(o, str_of(text));
    out_fmt(o, "\n%s %zu+%zu: %s\n", err_name(p.rc), p.diag.offset, p.diag.length, p.diag.message);
    diag_caret(&p.diag, str_of(text), o);
    out_char(o, '\n');
    if (p.diag.hint[0])
        out_fmt(o, "hint: %s\n", p.diag.hint);
    out_char(o, '\n');
    parse_fini(&p);
    assert_true(p.rc < 0);
}

static void put_all(struct out *o)
{
    for (size_t g = 0; g < COUNT_OF(groups); g++) {
        out_fmt(o, "# %s\n\n", groups[g].title);
        for (size_t i = 0; i < COUNT_OF(groups[g].texts) && groups[g].texts[i]; i++)
            put_case(o, groups[g].texts[i]);
    }
}

static void test_golden(void **state)
{
    char *got = malloc(MAX_GOLDEN), *want = malloc(MAX_GOLDEN);
    struct out o;
    assert_true(got && want);
    out_init(&o, got, MAX_GOLDEN - 1);
    put_all(&o);
    assert_false(o.overflowed);
    got[o.n] = 0;
    const char *mode = getenv("CHEOPS_GOLDEN_WRITE") ? "w+" : "r";
    FILE *file = fopen(GOLDEN, mode);
    assert_non_null(file);
    if (mode[0] == 'w') {
        assert_int_equal(fwrite(got, 1, o.n, file), o.n);
        rewind(file);
    }
    size_t n = fread(want, 1, MAX_GOLDEN - 1, file);
    fclose(file);
    want[n] = 0;
    assert_string_equal(got, want);
    free(got);
    free(want);
}

/* Too long for a drawing in the golden file. */
static void test_long_texts(void **state)
{
    static char text[3 * SCOPE_MAX_BYTES];
    struct parsed p;
    memset(text, ' ', sizeof text);
    memcpy(text, "{s: A}", 6);
    parse_capped(&p, (struct str){text, SCOPE_MAX_BYTES}, ENOUGH);
    assert_int_equal(p.rc, 0);
    parse_fini(&p);
    parse_capped(&p, (struct str){text, SCOPE_MAX_BYTES + 1}, ENOUGH);
    assert_int_equal(p.rc, ERR_SCOPE_LIMIT);
    assert_int_equal(p.diag.offset, SCOPE_MAX_BYTES);
    assert_int_equal(p.diag.length, 1);
    assert_string_equal(p.diag.message, "the scope has 4097 bytes, 4096 are allowed");
    parse_fini(&p);
    /* An error in front of the limit is found before it, also where the limit cuts a word. */
    memcpy(text, "{s: !}", 6);
    parse_capped(&p, (struct str){text, sizeof text}, ENOUGH);
    assert_int_equal(p.rc, ERR_SCOPE_SYNTAX);
    assert_int_equal(p.diag.offset, 4);
    parse_fini(&p);
    memcpy(text, "{s: A}", 6);
    text[5] = ',';
    memcpy(text + SCOPE_MAX_BYTES - 8, "wait: majority}", 15);
    parse_capped(&p, (struct str){text, SCOPE_MAX_BYTES + 7}, ENOUGH);
    assert_int_equal(p.rc, ERR_SCOPE_LIMIT);
    assert_int_equal(p.diag.offset, SCOPE_MAX_BYTES);
    parse_fini(&p);
    /* And a string. */
    text[8] = '"';
    memset(text + 9, 'x', sizeof text - 9);
    parse_capped(&p, (struct str){text, sizeof text}, ENOUGH);
    assert_int_equal(p.rc, ERR_SCOPE_LIMIT);
    assert_int_equal(p.diag.offset, SCOPE_MAX_BYTES);
    parse_fini(&p);
}

/* DEL grows from one byte to six: what is printed must be readable, so this is refused. */
static void test_long_canonical_form(void **state)
{
    static char text[SCOPE_MAX_BYTES];
    for (size_t n = 670; n < 690; n++) {
        size_t length = (size_t)snprintf(text, sizeof text, "{\"%0*d\":A}", (int)n, 0);
        memset(text + 2, 0x7f, n);
        size_t form = 6 * n + strlen("{\"\": A}");
        struct parsed p;
        parse_capped(&p, (struct str){text, length}, ENOUGH);
        assert_int_equal(p.rc, form <= SCOPE_MAX_BYTES ? 0 : ERR_SCOPE_LIMIT);
        assert_int_equal(p.diag.length, p.rc ? length : 0);
        parse_fini(&p);
    }
}

static void test_diag_may_be_absent(void **state)
{
    for (size_t g = 0; g < COUNT_OF(groups); g++) {
        for (size_t i = 0; i < COUNT_OF(groups[g].texts) && groups[g].texts[i]; i++) {
            struct parsed p;
            struct scope *s;
            parse(&p, groups[g].texts[i]);
            parse_fini(&p);
            arena_init(&p.arena, NULL, 0, ENOUGH);
            assert_int_equal(scope_parse(str_of(groups[g].texts[i]), &p.arena, &s, NULL), p.rc);
            parse_fini(&p);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden), cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_long_canonical_form), cmocka_unit_test(test_diag_may_be_absent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
