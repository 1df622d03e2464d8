/* What holds for every text: the canonical form is a fixed point, a parse looks at each byte a
 * bounded number of times, and errors have their place within the text. */
#include "scope_test.h"

static uint64_t seed;

static unsigned draw(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed % below);
}

static const char *pick(const char *const *words, size_t n)
{
    return words[draw((unsigned)n)];
}

#define PICK(...)                                                                                  \
    pick((const char *const[]){__VA_ARGS__},                                                       \
         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void put(struct out *o, const char *word)
{
    out_str(o, str_of(word));
    out_str(o, str_of(PICK("", "", " ", "\t", "\r\n  ")));
}

static void put_loc(struct out *o, int depth);

static void put_leaf(struct out *o)
{
    unsigned site = draw(40);
    if (site < 4) {
        put(o, PICK("here", "around(A, 5ms)", "around ( here,10us )", "around"));
    } else {
        out_fmt(o, "S%u", site);
        put(o, "");
    }
}

static void put_operand(struct out *o, int depth)
{
    char memory[SCOPE_MAX_BYTES];
    struct out inner;
    switch (depth > 0 ? draw(6) : 0) {
    case 1:
        put(o, "(");
        put_loc(o, depth - 1);
        put(o, ")");
        break;
    case 2: /* quoted */
        out_init(&inner, memory, sizeof memory);
        put_loc(&inner, depth - 1);
        out_json(o, out_get(&inner));
        put(o, "");
        break;
    default:
        put_leaf(o);
    }
}

static void put_loc(struct out *o, int depth)
{
    const char *operator= PICK("&", "%", ";", "|", "||");
    unsigned more = draw(4);
    put_operand(o, depth);
    while (more--) {
        put(o, draw(8) ? operator : PICK("&", "%", ";"));
        put_operand(o, depth);
    }
}

static void put_scope(struct out *o)
{
    unsigned entries = draw(4);
    put(o, "{");
    for (unsigned i = 0; i < entries; i++) {
        static const char *const keys[] = {"image:", "\"a b\" :", "*:", "compute.server:"};
        put(o, keys[(i + seed) % COUNT_OF(keys)]);
        put_loc(o, 3);
        put(o, ",");
    }
    if (draw(2))
        put(o, PICK("wait: all,", "timeout:5s ,", "missing: fail", "consistency: strong"));
    put(o, "}");
}

/* Whatever is accepted is printed in a form that is printed as itself, also when it is frozen. */
static void check_fixed_point(struct str text, struct parsed *p)
{
    struct parsed again;
    struct scope *frozen;
    char memory[SCOPE_MAX_BYTES];
    struct out o;
    parse_capped(&again, p->form, ENOUGH);
    assert_int_equal(again.rc, 0);
    assert_true(str_eq(again.form, p->form));
    parse_fini(&again);
    int rc = scope_freeze(p->scope, STR("Nantes"), STR("prime"), &p->arena, &frozen, &p->diag);
    assert_true(rc == 0 || rc == ERR_SCOPE_DUPLICATE_SITE || rc == ERR_SCOPE_DUPLICATE_KEY);
    if (rc < 0)
        return;
    out_init(&o, memory, sizeof memory);
    scope_print(frozen, &o);
    assert_false(o.overflowed);
    parse_capped(&again, out_get(&o), ENOUGH);
    assert_int_equal(again.rc, 0);
    assert_true(str_eq(again.form, out_get(&o)));
    assert_false(scope_has(again.scope, SCOPE_HERE));
    parse_fini(&again);
}

static bool check_text(struct str text)
{
    struct parsed p;
    parse_capped(&p, text, ENOUGH);
    bool is_good = p.rc == 0;
    if (is_good) {
        check_fixed_point(text, &p);
    } else {
        assert_int_equal(p.diag.code, p.rc);
        assert_true(p.diag.offset <= text.n);
        assert_true(p.diag.length <= text.n - p.diag.offset);
        assert_true(p.diag.message[0] != 0);
    }
    parse_fini(&p);
    return is_good;
}

static void test_generated_scopes(void **state)
{
    unsigned good = 0;
    seed = 20230614;
    for (int i = 0; i < 20000; i++) {
        char memory[SCOPE_MAX_BYTES];
        struct out o;
        out_init(&o, memory, sizeof memory);
        put_scope(&o);
        if (!o.overflowed)
            good += check_text(out_get(&o));
    }
    assert_true(good > 4000); /* else the generator is no good */
    assert_true(good < 19000);
}

static void test_generated_noise(void **state)
{
    unsigned good = 0;
    seed = 42;
    for (int i = 0; i < 30000; i++) {
        char memory[400];
        struct out o;
        out_init(&o, memory, sizeof memory);
        for (unsigned n = draw(16); n; n--)
            put(&o,
                PICK("{", "}", "(", ")", ",", ":", "&", "%", ";", "|", "||", "*", "A", "B", "here",
                     "s:", "prime", "around", "\"", "\"A\"", "10ms", "wait:", "all", "\xc3", "\\"));
        good += check_text(out_get(&o));
    }
    assert_true(good > 300);
}

/* ---- cost ---- */

static size_t visited(struct str text)
{
    struct arena arena;
    struct scope *s;
    size_t n = 0;
    arena_init(&arena, NULL, 0, 2 * ENOUGH);
    int rc = scope_parse_counted(text, &arena, &s, NULL, &n);
    assert_true(rc != ERR_NO_MEMORY);
    arena_fini(&arena);
    return n;
}

static char text[1024 * 1024];

/* `piece` again and again, up to n bytes. */
static struct str repeat(const char *head, const char *piece, size_t n)
{
    struct out o;
    out_init(&o, text, n);
    out_str(&o, str_of(head));
    while (!o.overflowed)
        out_str(&o, str_of(piece));
    return out_get(&o);
}

static void test_cost_is_linear(void **state)
{
    static const char *const families[][2] = {
        {"", " "},          {"", "a"},         {"{\"", "a"},       {"{\"", "\\u0041"},
        {"{s: ", "A ; "},   {"{s: ", "A   ;"}, {"{", "s : A,"},    {"{s: A ; \"", "B ; "},
        {"{s: ", "((A));"}, {"", "{"},         {"{s:", "\"A\" &"}, {"{s : around  ", "   "},
    };
    for (size_t f = 0; f < COUNT_OF(families); f++) {
        for (size_t n = 64; n <= sizeof text; n *= 2) {
            size_t cost = visited(repeat(families[f][0], families[f][1], n));
            assert_true(cost <= 3 * n); /* lexed, copied out of a string, lexed again */
            assert_true(cost <= 3 * SCOPE_MAX_BYTES);
        }
    }
}

/* s as a JSON string in which quotes and backslashes are written \\uXXXX: the shortest way to have
 * strings in strings in strings. */
static struct str quote(struct str s, char *memory)
{
    struct out o;
    out_init(&o, memory, SCOPE_MAX_BYTES);
    out_char(&o, '"');
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '"' || s.p[i] == '\\')
            OUT(&o, "\\u00"), out_hex(&o, (unsigned char)s.p[i]);
        else
            out_char(&o, s.p[i]);
    }
    out_char(&o, '"');
    assert_false(o.overflowed);
    return out_get(&o);
}

static void test_strings_in_strings(void **state)
{
    char memory[2][SCOPE_MAX_BYTES];
    struct out o;
    out_init(&o, memory[0], SCOPE_MAX_BYTES);
    OUT(&o, "A");
    for (int i = 0; i < 30; i++) /* most bytes are in the innermost one */
        out_fmt(&o, "  ;  a-site-with-a-rather-long-name-%d-%*s", i, i % 7, "");
    struct str s = out_get(&o);
    size_t innermost = s.n;
    for (size_t depth = 0; depth < SCOPE_MAX_NESTING; depth++) {
        assert_true(check_text(s));
        assert_true(visited(s) <= (2 * depth + 1) * s.n + 1);
        assert_true(visited(s) >= (2 * depth + 1) * innermost); /* the counter does count */
        s = quote(s, memory[(depth + 1) % 2]);
    }
    struct parsed p;
    parse_capped(&p, s, ENOUGH);
    assert_int_equal(p.rc, ERR_SCOPE_LIMIT);
    assert_int_equal(p.diag.length, s.n);
    parse_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generated_scopes),
        cmocka_unit_test(test_generated_noise),
        cmocka_unit_test(test_cost_is_linear),
        cmocka_unit_test(test_strings_in_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
